-- The groups of an app by id and name, as the Chat service listed them, for some minutes.

-- +goose Up
UPDATE counter SET n = n WHERE name = 'writer';
CREATE TABLE group_list (
	app  bigint PRIMARY KEY,
	at   bigint NOT NULL,
	body text NOT NULL
);
