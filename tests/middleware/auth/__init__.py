"""`BasicAuth`, `BearerAuth` and `ApiKeyAuth`."""
