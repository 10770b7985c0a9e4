-- Whether anybody could have seen a card, how many messages of it were deleted, and since when the platform does not let it be posted.

-- +goose Up
UPDATE counter SET n = n WHERE name = 'writer';
ALTER TABLE view ADD COLUMN seen int NOT NULL DEFAULT 0;
ALTER TABLE view ADD COLUMN gone bigint NOT NULL DEFAULT 0;
ALTER TABLE view ADD COLUMN barred bigint NOT NULL DEFAULT 0;
UPDATE view SET seen = 1; -- nobody knows of those that are kept already
