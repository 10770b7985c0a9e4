-- The posts whose time has come are found first, however many wait.

-- +goose Up
DROP INDEX post_pending;
CREATE INDEX post_pending ON post (platform, after, n) WHERE posted = 0;
