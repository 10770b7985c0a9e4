-- One batch of a request is found by its number alone. Where the table was small when PostgreSQL planned the look that it takes for the foreign key of each message, the index by
-- state, which began with the request too, looked as good: every look then went through all batches of a flood.

-- +goose Up
DROP INDEX batch_state;
CREATE INDEX batch_state ON batch (state, request, n);
