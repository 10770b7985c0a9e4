package worker

import (
	"context"
	"fmt"
	"time"

	"recallbot/bot"
)

const listPoll = 2 * time.Second // the interval of looking without a wake

// list lists the groups of the app whenever somebody wants them, until ctx ends. With replicas one
// at a time does, by lease. What others called their groups is forgotten when it is too old to be
// used.
func (w *Worker) list(ctx context.Context) {
	wakes, cancel := w.Ledger.Subscribe(bot.WakeLister)
	defer cancel()
	var failed complaint
	forget := time.Now().Add(bot.GroupListKept) // an earlier process may have listed them
	for ctx.Err() == nil {
		wanted, err := w.groupsWanted(ctx)
		switch {
		case wanted:
			forget = time.Now().Add(bot.GroupListKept + time.Second)
			err = w.alone(ctx, fmt.Sprintf("groups/%d", w.App), nil, w.listNow)
		case err == nil && !forget.IsZero() && time.Now().After(forget):
			forget = time.Time{}
			err = w.forgetList(ctx)
		}
		if err != nil && ctx.Err() == nil {
			failed.log(w.Log, "the groups of the app could not be listed", err)
		}
		waitFor(ctx, wakes, listPoll)
	}
}

func (w *Worker) groupsWanted(ctx context.Context) (wanted bool, err error) {
	err = w.Ledger.View(ctx, func(tx bot.Tx) error {
		since, err := tx.Setting(bot.SettingGroups)
		wanted = since != ""
		return err
	})
	return wanted, err
}

// forgetList forgets the list where there is one. It was kept for as long as it may be used.
func (w *Worker) forgetList(ctx context.Context) error {
	var list bot.GroupList
	err := w.Ledger.View(ctx, func(tx bot.Tx) (err error) {
		list, err = tx.GroupList(w.App)
		return err
	})
	if err != nil || list.Read.IsZero() {
		return err
	}
	return w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		return tx.ForgetGroupLists(tx.Now().Add(-bot.GroupListKept))
	})
}

// listNow lists the groups, unless another replica was quicker. That it failed is stored too, so
// that nobody waits for it.
func (w *Worker) listNow(ctx context.Context, l bot.Lease) error {
	if wanted, err := w.groupsWanted(ctx); err != nil || !wanted {
		return err
	}
	began := time.Now()
	list, failed := w.List(ctx)
	if failed != nil {
		list = bot.GroupList{Failed: true}
	}
	err := w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		if err := tx.Fence(l); err != nil {
			return err
		}
		if err := tx.PutGroupList(w.App, list); err != nil {
			return err
		}
		tx.Wake(bot.WakeListed)
		return tx.PutSetting(bot.SettingGroups, "")
	})
	if err == nil && failed == nil {
		w.Log.Info("the groups of the app were listed", "groups", len(list.Groups), "whole", list.Whole, "took",
			time.Since(began))
	}
	if err == nil {
		err = failed
	}
	return err
}
