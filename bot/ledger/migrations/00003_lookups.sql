-- What people look up stays quick when the ledger has a million requests, and what a run looks up when a request has 100,000 messages.

-- +goose Up
-- Counting the messages of a request by outcome, and finding those whose outcome rests on one source, without a look at the messages themselves.
CREATE INDEX message_tally ON message (request, class, confirmed, seq);

-- The newest requests of a person or a group, whatever their state.
CREATE INDEX request_of_person ON request (requester, app, asked, id);
CREATE INDEX request_of_group ON request (chat_group, app, asked, id, topic);
