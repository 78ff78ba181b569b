FROM scratch
SHELL ["powershell", "-Command"]
CMD Write-Host hello
