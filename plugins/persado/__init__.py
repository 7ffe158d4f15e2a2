"""Query results to Persado over SFTP: query, format, encode, encrypt, upload, .DONE."""
