-- What the service's callbacks told, for a while. An arrival is a message of a group as it was sent (only where INDEX is on); a removal is that a
-- message was recalled, whoever did it. n counts them in the order they came, so that the oldest can go first.

-- +goose Up
CREATE TABLE arrival (
    app        bigint NOT NULL,
    chat_group text   NOT NULL,
    topic      text   NOT NULL,
    seq        bigint NOT NULL,
    n          bigint NOT NULL UNIQUE,
    came       bigint NOT NULL,
    body       text   NOT NULL,
    PRIMARY KEY (app, chat_group, topic, seq)
);

CREATE TABLE removal (
    app        bigint NOT NULL,
    chat_group text   NOT NULL,
    topic      text   NOT NULL,
    seq        bigint NOT NULL,
    n          bigint NOT NULL UNIQUE,
    came       bigint NOT NULL,
    body       text   NOT NULL,
    PRIMARY KEY (app, chat_group, topic, seq)
);
