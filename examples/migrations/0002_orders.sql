CREATE TABLE "order" (id serial PRIMARY KEY, item int NOT NULL REFERENCES item, count int NOT NULL);
INSERT INTO item (name, pence) VALUES ('tea', 250), ('cake', 420);
