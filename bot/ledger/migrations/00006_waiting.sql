-- The batches whose time has come are found first, however many wait.

-- +goose Up
DROP INDEX batch_state;
CREATE INDEX batch_state ON batch (state, request, after, n);
