-- What only MySQL has.
CREATE TABLE functional (a INT, name VARCHAR(20), KEY lower_name ((LOWER(name))), KEY down (a DESC), KEY seldom (a) INVISIBLE, tags JSON, KEY each_tag ((CAST(tags AS UNSIGNED ARRAY))), CONSTRAINT lax CHECK (a > 0) NOT ENFORCED);
INSERT INTO functional VALUES (-1, 'A', '[1, 2]');
SET sql_generate_invisible_primary_key = 1;
CREATE TABLE keyless (t TEXT);
SET sql_generate_invisible_primary_key = 0;
INSERT INTO keyless VALUES ('a'), ('b');
CREATE TABLE located (p POINT NOT NULL SRID 4326, v VECTOR(3), SPATIAL KEY (p));
INSERT INTO located VALUES (ST_SRID(POINT(1, 2), 4326), TO_VECTOR('[1,2,3]'));
CREATE TABLE explicit_default (d DATE DEFAULT (CURRENT_DATE), j JSON DEFAULT (JSON_ARRAY(1)), p POINT DEFAULT (POINT(0, 0)));
INSERT INTO explicit_default VALUES ('2001-01-01', '{}', NULL);
ALTER DATABASE CHARACTER SET latin2 COLLATE latin2_croatian_ci;
