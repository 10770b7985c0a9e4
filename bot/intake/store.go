package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"recallbot/bot"
)

// Receive stores an event without an answer, so that it can be acknowledged before the person's
// right is known. If the event is stored already, first is false, and answer is its stored answer,
// or nil while it has none.
func (in *Intake) Receive(ctx context.Context, e Event) (first bool, answer *Answer, err error) {
	body, err := json.Marshal(e)
	if err != nil {
		return false, nil, fmt.Errorf("write event: %w", err)
	}
	err = in.Ledger.Tx(ctx, func(tx bot.Tx) error {
		first, answer = false, nil
		prior, err := tx.AddEvent(bot.StoredEvent{ID: e.ID, Platform: e.Place.Platform, Body: body})
		if err != nil {
			return err
		}
		if first = prior == nil; first || prior.Answer == nil {
			return nil
		}
		answer, err = in.repeated(tx, prior.Answer)
		return err
	})
	if err != nil {
		return false, nil, fmt.Errorf("store event: %w", err)
	}
	return first, answer, nil
}

// GiveUp closes an event that Receive stored, because the platform could not say in time who acted.
// The answer says so.
func (in *Intake) GiveUp(ctx context.Context, e Event) (Answer, error) {
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		return Answer{}, bot.NewRefusal("could_not_check")
	})
}

// close runs fn in the transaction that stores the event and its answer. A Refusal becomes the
// answer and is audited. Anything that fn wrote before it refused is part of the same transaction.
func (in *Intake) close(ctx context.Context, e Event, fn func(tx bot.Tx, arrived time.Time) (Answer, error)) (Answer,
	error) {
	body, err := json.Marshal(e)
	if err != nil {
		return Answer{}, fmt.Errorf("write event: %w", err)
	}
	var answer Answer
	err = in.Ledger.Tx(ctx, func(tx bot.Tx) error {
		prior, err := tx.AddEvent(bot.StoredEvent{ID: e.ID, Platform: e.Place.Platform, Body: body})
		if err != nil {
			return err
		}
		arrived := tx.Now()
		if prior != nil {
			if prior.Answer != nil {
				first, err := in.repeated(tx, prior.Answer)
				if err == nil {
					answer = *first
				}
				return err
			}
			arrived = prior.At
		}
		answer, err = fn(tx, arrived)
		if no, ok := errors.AsType[*bot.Refusal](err); ok {
			answer = Answer{Kind: Whisper, Lines: []bot.Line{no.Why}, Refused: no.Key, Card: answer.Card,
				Input: e.Act.input(no.Key)}
			err = in.auditRefused(tx, e, no)
		}
		if err != nil {
			return err
		}
		out, err := json.Marshal(answer.withoutContent())
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		return tx.CloseEvent(e.ID, out)
	})
	if err != nil {
		return Answer{}, fmt.Errorf("handle event %s: %w", e.ID, err)
	}
	return answer, nil
}

// beginSearch stores the event of a search, and counts the search until end is called. answer is
// set instead if the event has its answer already, or if allowed or the number of searches refuses
// it. A refusal takes one transaction, because a hundred searches may be refused while others wait
// for theirs.
func (in *Intake) beginSearch(ctx context.Context, e Event, allowed func(tx bot.Tx) error) (end func(), answer *Answer,
	err error) {
	by, _ := in.Roster.Of(e.By)
	for {
		var refusal error
		err := in.Ledger.View(ctx, func(tx bot.Tx) error {
			refusal = allowed(tx)
			return nil
		})
		if err != nil {
			return nil, &Answer{}, err
		}
		var already <-chan struct{}
		if refusal == nil {
			end, already, refusal = in.searches.begin(by, e.ID)
		}
		switch {
		case refusal != nil:
			answer, err := in.close(ctx, e, func(bot.Tx, time.Time) (Answer, error) { return Answer{}, refusal })
			return nil, &answer, err
		case already == nil:
			_, prior, err := in.Receive(ctx, e)
			if err != nil || prior != nil {
				end()
				return nil, cmp.Or(prior, &Answer{}), err
			}
			return end, nil, nil
		}
		select {
		case <-already:
		case <-ctx.Done():
			return nil, &Answer{}, ctx.Err()
		}
	}
}
