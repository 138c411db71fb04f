-- The role of the application in the bundled Postgres: it reads and writes rows. The tables belong to the owner, as which
-- `dispatcher migrate` runs. The image of Postgres runs this once, as the owner, when its volume is new.
\getenv password DISPATCHER_DB_PASSWORD
CREATE ROLE dispatcher LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO dispatcher;
GRANT USAGE ON SCHEMA public TO dispatcher;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO dispatcher;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO dispatcher;
