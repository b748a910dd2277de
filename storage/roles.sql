-- Least privilege on PostgreSQL. Run once as the owner of the database's tables, which is the role that migrates, after
-- `workbench db upgrade`; then give each role its password (\password NAME) and the program the app role's URL.
-- Run it again after an upgrade that added tables. {prefix}_app is what `serve`, `worker` and the other commands use.

CREATE ROLE {prefix}_app LOGIN;
CREATE ROLE {prefix}_analytics LOGIN;
CREATE ROLE {prefix}_backup LOGIN;

REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;
GRANT USAGE ON SCHEMA {schema} TO {prefix}_app, {prefix}_analytics, {prefix}_backup;

-- The program reads and writes, but never changes what is recorded, nor the tables themselves.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {prefix}_app;
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {prefix}_app;
REVOKE UPDATE, DELETE, TRUNCATE ON audit_events FROM {prefix}_app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON audit_chain, alembic_version FROM {prefix}_app;

-- Places in the chain are given by one function of the owner's, and nobody else may call it.
REVOKE EXECUTE ON FUNCTION audit_seal(bigint[], varchar[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_seal(bigint[], varchar[]) TO {prefix}_app;

-- Analysts read, half a minute at a time, and hold nothing up.
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {prefix}_analytics;
REVOKE SELECT ON api_tokens, receiver_keys FROM {prefix}_analytics;
ALTER ROLE {prefix}_analytics SET default_transaction_read_only = on;
ALTER ROLE {prefix}_analytics SET statement_timeout = '30s';
ALTER ROLE {prefix}_analytics SET idle_in_transaction_session_timeout = '10s';

-- pg_dump reads everything, and nothing else.
GRANT pg_read_all_data TO {prefix}_backup;
ALTER ROLE {prefix}_backup SET default_transaction_read_only = on;
