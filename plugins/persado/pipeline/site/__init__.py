"""The SFTP site: connection, login, session and files."""
