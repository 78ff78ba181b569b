FROM scratch
ADD --keep-git-dir=true https://git.example.test/project.git#v0.10.1 /project
ADD --keep-git-dir https://git.example.test/project.git /other
ADD --keep-git-dir=false https://git.example.test/project.git /third
