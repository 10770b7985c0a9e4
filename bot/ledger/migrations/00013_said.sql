-- A keyed hash of what an arrival says, whoever sent it, so that messages of the same content are found where the service keeps no
-- history. Arrivals that were stored before have none.

-- +goose Up
UPDATE counter SET n = n WHERE name = 'writer';
ALTER TABLE arrival ADD COLUMN said text NOT NULL DEFAULT '';
