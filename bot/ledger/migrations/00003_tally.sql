-- Counting the messages of a request by outcome, and finding those whose outcome rests on one source, without a look at the messages themselves.

-- +goose Up
CREATE INDEX message_tally ON message (request, class, confirmed, seq);
