FROM scratch
ADD git@git.example.test:group/project.git /ssh
ADD https://git.example.test/project.git#main:dir /dir
ADD https://git.example.test/project.git?branch=main&subdir=dir /query
