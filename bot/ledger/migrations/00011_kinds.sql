-- What the messages of a request were folded into while they were sealed. It goes with their text.

-- +goose Up
UPDATE counter SET n = n WHERE name = 'writer';
ALTER TABLE evidence_key ADD COLUMN kinds text NOT NULL DEFAULT '';
