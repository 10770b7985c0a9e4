-- What a request holds and who asked it stand beside its body, so that what stands in the way of another is found without reading bodies: low and high bound the seqs that it covers
-- (0: none yet), seqs has them all. holds.go fills these of requests that were stored before.

-- +goose Up
UPDATE counter SET n = n WHERE name = 'writer';
ALTER TABLE request ADD COLUMN low bigint NOT NULL DEFAULT 0;
ALTER TABLE request ADD COLUMN high bigint NOT NULL DEFAULT 0;
ALTER TABLE request ADD COLUMN seqs text NOT NULL DEFAULT '';
ALTER TABLE request ADD COLUMN accounts text NOT NULL DEFAULT '[]';
DROP INDEX request_group;
CREATE INDEX request_holds ON request (chat_group, app, topic, state, high, low, asked, id);
CREATE INDEX request_open ON request (app, requester) WHERE state IN ('preparing', 'proposed', 'approved', 'running', 'stopping');

-- The groups that requests were about, when the newest was asked, and what the group was called last.
CREATE TABLE touched (
    app        bigint NOT NULL,
    chat_group text   NOT NULL,
    asked      bigint NOT NULL,
    name       text   NOT NULL,
    PRIMARY KEY (app, chat_group)
);
CREATE INDEX touched_asked ON touched (app, asked, chat_group);
