-- One schema for SQLite and PostgreSQL. Every time is a bigint of Unix milliseconds (0: none), every flag an int of 0 or 1,
-- everything in JSON a text. Ids come from the program.
--
-- The two-person rule stands here a second time: a batch of messages can only hang on a grant, a grant on an approval, an approval on
-- a request of that digest, and the approval's person is not the requester. Every column of these that takes part in a foreign
-- key is NOT NULL, so that no key is left unchecked. While a request is being prepared its digest is null, which equals nothing: no approval can refer to it.

-- +goose Up
CREATE TABLE event (
    id       text   NOT NULL PRIMARY KEY,
    platform text   NOT NULL,
    at       bigint NOT NULL,
    body     text,
    answer   text,
    CHECK (answer IS NULL OR body IS NULL)
);
CREATE INDEX event_open ON event (platform, at) WHERE answer IS NULL;
CREATE INDEX event_answered ON event (at) WHERE answer IS NOT NULL;

CREATE TABLE roster (
    hash text   NOT NULL PRIMARY KEY,
    body text   NOT NULL,
    at   bigint NOT NULL
);

CREATE TABLE request (
    id           text   NOT NULL PRIMARY KEY,
    app          bigint NOT NULL,
    chat_group   text   NOT NULL,
    topic        text   NOT NULL,
    requester    text   NOT NULL CHECK (requester <> ''),
    asked        bigint NOT NULL,
    state        text   NOT NULL CHECK (state IN ('preparing', 'proposed', 'approved', 'running', 'stopping',
                     'done', 'stopped', 'not started', 'refused', 'withdrawn', 'rejected', 'expired')),
    digest       text            CHECK (digest <> ''),
    last_outcome bigint NOT NULL DEFAULT 0,
    body         text   NOT NULL,
    UNIQUE (id, requester, digest),
    CHECK (state <> 'preparing' OR digest IS NULL),
    CHECK (state IN ('preparing', 'refused', 'withdrawn') OR digest IS NOT NULL)
);
CREATE INDEX request_asked ON request (asked, id);
CREATE INDEX request_state ON request (state, asked, id);
CREATE INDEX request_group ON request (chat_group, app, state, asked, id, topic);
CREATE INDEX request_requester ON request (requester, state, asked, id);

CREATE TABLE approval (
    request   text   NOT NULL,
    requester text   NOT NULL,
    digest    text   NOT NULL,
    person    text   NOT NULL CHECK (person <> ''),
    n         bigint NOT NULL, -- its place in the order they were given
    body      text   NOT NULL,
    PRIMARY KEY (request, person),
    UNIQUE (request, person, digest),
    FOREIGN KEY (request, requester, digest) REFERENCES request (id, requester, digest),
    CHECK (person <> requester)
);

CREATE TABLE "grant" (
    request text   NOT NULL PRIMARY KEY,
    person  text   NOT NULL,
    digest  text   NOT NULL,
    at      bigint NOT NULL,
    UNIQUE (request, digest),
    FOREIGN KEY (request, person, digest) REFERENCES approval (request, person, digest)
);

CREATE TABLE batch (
    request  text   NOT NULL,
    n        bigint NOT NULL,
    digest   text   NOT NULL,
    state    text   NOT NULL CHECK (state IN ('pending', 'sending', 'doubt', 'done')),
    epoch    bigint NOT NULL,
    doubted  int    NOT NULL,
    unread   int    NOT NULL,
    single   int    NOT NULL,
    attempts bigint NOT NULL,
    after    bigint NOT NULL,
    PRIMARY KEY (request, n),
    FOREIGN KEY (request, digest) REFERENCES "grant" (request, digest)
);
CREATE INDEX batch_state ON batch (request, state, n);

CREATE TABLE message (
    request   text   NOT NULL REFERENCES request (id),
    seq       bigint NOT NULL CHECK (seq BETWEEN 1 AND 4294967295),
    seal      text   NOT NULL,
    batch     bigint,
    class     text   NOT NULL CHECK (class IN ('', 'recalled', 'already recalled', 'not found', 'refused', 'not sent', 'unknown')),
    confirmed text   NOT NULL,
    outcome   text,
    PRIMARY KEY (request, seq),
    FOREIGN KEY (request, batch) REFERENCES batch (request, n),
    CHECK ((class = '') = (outcome IS NULL))
);
CREATE INDEX message_work ON message (request, batch, class, seq);

-- The text of messages and the key of their HMACs stand apart, so that they can go while all else stays.
CREATE TABLE evidence (
    request text   NOT NULL,
    seq     bigint NOT NULL,
    body    text   NOT NULL,
    PRIMARY KEY (request, seq),
    FOREIGN KEY (request, seq) REFERENCES message (request, seq)
);
CREATE TABLE evidence_key (
    request text NOT NULL PRIMARY KEY REFERENCES request (id),
    body    text NOT NULL
);

CREATE TABLE view (
    request   text   NOT NULL REFERENCES request (id),
    platform  text   NOT NULL,
    workspace text   NOT NULL,
    channel   text   NOT NULL,
    thread    text   NOT NULL,
    ref       text   NOT NULL,
    wanted    bigint NOT NULL,
    shown     bigint NOT NULL,
    after     bigint NOT NULL,
    tries     bigint NOT NULL,
    dead      int    NOT NULL,
    PRIMARY KEY (request, platform, workspace, channel, thread)
);
CREATE INDEX view_stale ON view (platform, after) WHERE wanted > shown AND dead = 0;

CREATE TABLE post (
    request text   NOT NULL REFERENCES request (id),
    key     text   NOT NULL,
    n       bigint NOT NULL UNIQUE, -- the order in which posts were queued
    platform text  NOT NULL,
    place   text   NOT NULL,
    kind    text   NOT NULL,
    line    text   NOT NULL,
    ref     text   NOT NULL,
    after   bigint NOT NULL,
    tries   bigint NOT NULL,
    posted  int    NOT NULL,
    PRIMARY KEY (request, key)
);
CREATE INDEX post_pending ON post (platform, n) WHERE posted = 0;
CREATE INDEX post_first ON post (request, platform, n) WHERE posted = 0;

CREATE TABLE due (
    request text   NOT NULL REFERENCES request (id),
    kind    text   NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (request, kind)
);
CREATE INDEX due_at ON due (at);

-- A lease's row stays when it is released: its epoch only grows.
CREATE TABLE lease (
    name   text   NOT NULL PRIMARY KEY,
    holder text   NOT NULL,
    epoch  bigint NOT NULL,
    till   bigint NOT NULL
);

CREATE TABLE pause (
    app  bigint NOT NULL PRIMARY KEY,
    body text   NOT NULL
);

CREATE TABLE note (
    key   text NOT NULL PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE audit (
    n    bigint NOT NULL PRIMARY KEY,
    at   bigint NOT NULL,
    hash text   NOT NULL UNIQUE,
    body text   NOT NULL
);

CREATE TABLE counter (
    name text   NOT NULL PRIMARY KEY,
    n    bigint NOT NULL
);
-- Whoever writes holds this row first, so that transactions run one after the other. In SQLite its n counts those that have written (marker.go).
INSERT INTO counter (name, n) VALUES ('writer', 0), ('receipt', 0);
