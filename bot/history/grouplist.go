package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"recallbot/bot"
	"recallbot/recall"

	"golang.org/x/sync/errgroup"
)

const (
	groupsMost   = 10_000           // groups whose names are read, at most
	listedWithin = 30 * time.Second // how long one waits for the groups to be listed
	listedPoll   = time.Second      // the interval of looking without a wake
)

// ErrNotListed is the error of groups that could not be listed now.
var ErrNotListed = errors.New("the groups could not be listed")

// Groups returns the groups of the app, as kept in the ledger. If they are not kept any more, it
// has them listed by the process that does so for all, and waits for it. It returns ErrNotListed if
// that fails or takes too long.
func (h *History) Groups(ctx context.Context) (l bot.GroupList, err error) {
	ctx, cancel := context.WithTimeout(ctx, listedWithin)
	defer cancel()
	wakes, stop := h.Ledger.Subscribe(bot.WakeListed)
	defer stop()
	var asked time.Time
	for {
		var now time.Time
		err := h.Ledger.View(ctx, func(tx bot.Tx) (err error) {
			now = tx.Now()
			l, err = tx.GroupList(h.App)
			return err
		})
		switch {
		case err != nil:
			return bot.GroupList{}, err
		case l.Fresh(now):
			return l, nil
		case asked.IsZero():
			if asked, err = h.WantGroups(ctx); err != nil {
				return bot.GroupList{}, err
			}
		case l.Failed && !l.Read.Before(asked):
			return bot.GroupList{}, ErrNotListed
		}
		timer := time.NewTimer(listedPoll)
		select {
		case <-wakes:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return bot.GroupList{}, ErrNotListed
		}
		timer.Stop()
	}
}

// WantGroups asks for the groups to be listed, and returns the ledger's time of that.
func (h *History) WantGroups(ctx context.Context) (asked time.Time, err error) {
	err = h.Ledger.Tx(ctx, func(tx bot.Tx) error {
		asked = tx.Now()
		tx.Wake(bot.WakeLister)
		return tx.PutSetting(bot.SettingGroups, strconv.FormatInt(asked.UnixMilli(), 10))
	})
	return asked, err
}

// List lists the groups of the app by calls of the Chat service: up to groupsMost ids, and what
// each is called. Only one process at a time may call it, because the service takes one list a
// second.
func (h *History) List(ctx context.Context) (l bot.GroupList, err error) {
	ctx = recall.InTurn(ctx, recall.Turn{For: recall.ForNumbers, Size: groupsMost / recall.MaxGroupInfos})
	var ids []recall.GroupID
	for next, page := uint64(0), (recall.GroupPage{}); ; next = page.Next {
		if page, err = h.Chat.GetAppIDGroupList(ctx, next); err != nil {
			return bot.GroupList{}, fmt.Errorf("list groups: %w", err)
		}
		ids = append(ids, page.Groups...)
		l.Total = page.Total
		l.Whole = page.Next == 0
		if l.Whole || len(ids) >= groupsMost || len(page.Groups) == 0 {
			break
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids) // pages of a list that changes may overlap
	if len(ids) > groupsMost {
		ids, l.Whole = ids[:groupsMost], false
	}
	parts := slices.Collect(slices.Chunk(ids, recall.MaxGroupInfos))
	read := make([][]recall.GroupInfo, len(parts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readersAtOnce)
	for i, part := range parts {
		g.Go(func() (err error) {
			read[i], err = h.Chat.GetGroupInfos(ctx, part)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return bot.GroupList{}, fmt.Errorf("read the names of groups: %w", err)
	}
	for _, info := range slices.Concat(read...) {
		l.Groups = append(l.Groups, bot.ListedGroup{Group: info.Group, Name: info.Name, Type: info.Type,
			Members: info.Members})
	}
	if l.Whole {
		l.Total = len(l.Groups)
	}
	return l, nil
}
