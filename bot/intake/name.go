package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// This file finds a group by its name. It is done before the request is stored, so that a name that
// names no group, or several, is told to its requester alone; the ledger, the audit log and every
// later command have the id.

const (
	nearestShown = 5  // groups that a refused name is answered with, at most: one button each
	nameShown    = 40 // characters shown of a group's name
	groupsShown  = 20 // groups that /recalls groups shows
)

// byName returns the event with the id of the group in its command, if the group was typed as
// something that may be a name. answer is set instead if the name names no group, or several. No
// transaction is open meanwhile.
func (in *Intake) byName(ctx context.Context, e Event, m bot.Member) (_ Event, answer *Answer, err error) {
	cmd := e.command
	end, refused, err := in.beginSearch(ctx, e, func(tx bot.Tx) error {
		return (&act{in: in, tx: tx, e: e, m: m}).may()
	})
	if err != nil || refused != nil {
		return e, refused, err
	}
	defer end()
	by, _ := in.Roster.Of(e.By)
	known, err := in.isID(ctx, cmd.Scope, by)
	if err != nil || known {
		return e, nil, err
	}
	found, closed, err := in.named(ctx, e, cmd.Scope, func(c *command.Command, g recall.GroupID) {
		c.Scope.Group, c.Scope.Name = g, ""
	})
	if err != nil || closed != nil {
		return e, closed, err
	}
	e.command.Scope.Group, e.command.Scope.Name = found, cmd.Scope.Typed()
	return e, nil, nil
}

// byNames returns the event with the ids of all groups of a sweep. answer is set instead if one of
// them is no id, and names no group, or several.
func (in *Intake) byNames(ctx context.Context, e Event, m bot.Member) (_ Event, answer *Answer, err error) {
	end, refused, err := in.beginSearch(ctx, e, func(tx bot.Tx) error {
		return (&act{in: in, tx: tx, e: e, m: m}).may()
	})
	if err != nil || refused != nil {
		return e, refused, err
	}
	defer end()
	by, _ := in.Roster.Of(e.By)
	var ids []string
	names := map[string]string{}
	for i, typed := range e.command.Scope.In {
		id, byID := typed, true
		if !command.IsInID(typed) {
			one := command.Scope{Group: recall.GroupID(typed)}
			if one.Group.Check() != nil {
				one = command.Scope{Name: typed}
			}
			known, err := in.isID(ctx, one, by)
			if err != nil {
				return e, nil, err
			}
			if !known {
				found, closed, err := in.named(ctx, e, one, func(c *command.Command, g recall.GroupID) {
					c.Scope.In = slices.Clone(c.Scope.In)
					c.Scope.In[i] = string(g)
				})
				if err != nil || closed != nil {
					return e, closed, err
				}
				id, byID = string(found), false
			}
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
			names[id] = typed
		}
		if byID { // whatever else it was called
			delete(names, id)
		}
	}
	e.command.Scope.In = ids
	if len(names) > 0 {
		e.command.Scope.Names = names
	}
	return e, nil, nil
}

// named returns the id of the group that a scope names. answer is set instead if it names none, or
// several: it offers the command as use makes it with the nearest ones.
func (in *Intake) named(ctx context.Context, e Event, s command.Scope,
	use func(*command.Command, recall.GroupID)) (id recall.GroupID, answer *Answer, err error) {
	list, err := in.Groups(ctx)
	var found []bot.ListedGroup
	if err == nil {
		list.Groups = in.allowed(list.Groups)
		found = list.Named(s.Typed())
	}
	if len(found) == 1 && list.Whole {
		if t := s.Topic; t == "" || t.Check(found[0].Group) == nil {
			return found[0].Group, nil, nil
		}
	}
	closed, err := in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		switch {
		case err != nil && !errors.Is(err, history.ErrNotListed):
			return Answer{}, err
		case err != nil:
			return Answer{}, bot.NewRefusal("names_unread", "name", nameOf(s.Typed()))
		case len(found) == 1 && list.Whole:
			return Answer{}, bot.NewRefusal("topic_other", "topic", bot.Code(string(s.Topic)), "group",
				bot.Code(string(found[0].Group)))
		}
		near, lines, err := in.nearest(tx, s, list)
		if err != nil {
			return Answer{}, err
		}
		no := unnamed(s.Typed(), len(found), list)
		if barred, ok := errors.AsType[*bot.Refusal](in.Policy.MayTouch(s.Group)); ok && len(near) == 0 &&
			s.Group != "" {
			no = barred // it may be a group's id, and is like no name
		}
		if err := in.auditRefused(tx, e, no); err != nil {
			return Answer{}, err
		}
		lines = slices.Concat([]bot.Line{no.Why, bot.Say("answer.mistake.nothing")}, lines,
			[]bot.Line{looked(list)})
		offers := make([]command.Command, len(near))
		for i, g := range near {
			offers[i] = e.command
			use(&offers[i], g.Group)
		}
		return Answer{Kind: Whisper, Lines: lines, Refused: no.Key, Input: e.Act.input(no.Key),
			Offer: e.offer(offers...)}, nil
	})
	return "", &closed, err
}

// isID reports whether what was typed for a group is the id of one: a group that the bot has sealed
// messages of, or that the service knows. While the service cannot say, it counts as one if it can
// be one: the request waits for the service, and ends if there is no such group.
func (in *Intake) isID(ctx context.Context, s command.Scope, by bot.PersonID) (bool, error) {
	if s.Group == "" || in.Policy.MayTouch(s.Group) != nil {
		return false, nil
	}
	var sealed []bot.Request
	err := in.Ledger.View(ctx, func(tx bot.Tx) (err error) {
		sealed, err = tx.Requests(bot.Query{App: in.App, Group: s.Group, Sealed: true, Limit: 1})
		return err
	})
	if err != nil || len(sealed) > 0 {
		return len(sealed) > 0, err
	}
	rd := in.Reader(s, "name", recall.ForNumbers, by)
	_, err = rd.Group(ctx)
	api, said := errors.AsType[*recall.Error](err)
	none := said && (api.Code == recall.CodeNoGroup || api.Code == recall.CodeBadGroupID)
	return !none, in.Ledger.Tx(ctx, func(tx bot.Tx) error { return in.AuditTraces(tx, "", rd.Traces) })
}

// allowed returns those groups whose messages may be touched.
func (in *Intake) allowed(groups []bot.ListedGroup) []bot.ListedGroup {
	return slices.DeleteFunc(slices.Clone(groups),
		func(g bot.ListedGroup) bool { return in.Policy.MayTouch(g.Group) != nil })
}

// unnamed says why a name is not taken that so many groups bear.
func unnamed(name string, bear int, list bot.GroupList) *bot.Refusal {
	switch {
	case bear == 0:
		return bot.NewRefusal("no_such_name", "name", nameOf(name))
	case bear == 1:
		return bot.NewRefusal("name_unsure", "name", nameOf(name))
	}
	return bot.NewRefusal("several_names", "name", nameOf(name), "n", bear)
}

func looked(list bot.GroupList) bot.Line {
	return bot.Say("answer.names.looked", "n", len(list.Groups), "total", max(list.Total, len(list.Groups)))
}

// nameOf frames a group's name, which others chose.
func nameOf(name string) bot.Span { return bot.Quote(bot.Cut(name, nameShown)) }

// nearest returns the groups whose name or id is most like what was typed, those first that bear
// it, and a line about each.
func (in *Intake) nearest(tx bot.Tx, s command.Scope, list bot.GroupList) (near []bot.ListedGroup, lines []bot.Line,
	err error) {
	type scored struct {
		bot.ListedGroup
		score int
	}
	want := command.AsRead(strings.Trim(s.Typed(), "`*_~,:;"))
	var all []scored
	for _, g := range list.Groups {
		score := min(unlike(want, command.AsRead(g.Name)), unlike(want, command.AsRead(string(g.Group))))
		if score <= max(2, len([]rune(want))/3) {
			all = append(all, scored{g, score})
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.Group, b.Group))
	})
	for _, g := range all[:min(len(all), nearestShown)] {
		near = append(near, g.ListedGroup)
	}
	lines, err = in.groupLines(tx, near)
	return near, lines, err
}

// unlike counts how much has to be changed to make a name of what was typed, or to make the
// beginning of a longer name, which is less like it.
func unlike(typed, name string) int {
	if typed == "" || name == "" {
		return 1 << 20
	}
	long := []rune(name)
	long = long[:min(len(long), 100)]
	least := command.Slips(typed, string(long))
	for n := utf8.RuneCountInString(typed) - 1; n < len(long) && n <= utf8.RuneCountInString(typed)+1; n++ {
		least = min(least, 1+command.Slips(typed, string(long[:max(n, 0)])))
	}
	if strings.Contains(name, typed) {
		least = min(least, 2)
	}
	return least
}

// groupLines describes groups, one line each, numbered.
func (in *Intake) groupLines(tx bot.Tx, groups []bot.ListedGroup) (lines []bot.Line, err error) {
	for i, g := range groups {
		before, err := tx.Requests(bot.Query{App: in.App, Group: g.Group, States: []bot.State{bot.Done, bot.Stopped},
			Limit: 1})
		if err != nil {
			return nil, err
		}
		key, live := "answer.names.row", g.Members == 0 // of live groups the service tells no number
		switch {
		case live && len(before) > 0:
			key = "answer.names.row.live.before"
		case live:
			key = "answer.names.row.live"
		case len(before) > 0:
			key = "answer.names.row.before"
		}
		lines = append(lines, bot.Say(key, "i", i+1, "name", nameOf(g.Name), "group", bot.Code(string(g.Group)),
			"type", bot.Quote(string(g.Type)), "n", g.Members))
	}
	return lines, nil
}

// groups answers with the groups whose name or id holds the words, to copy their ids from.
func (in *Intake) groups(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	end, refused, err := in.beginSearch(ctx, e, func(tx bot.Tx) error {
		return (&act{in: in, tx: tx, e: e, m: m}).may()
	})
	if err != nil || refused != nil {
		return *refused, err
	}
	defer end()
	list, err := in.Groups(ctx)
	if err != nil && !errors.Is(err, history.ErrNotListed) {
		return Answer{}, fmt.Errorf("read groups: %w", err)
	}
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		if err != nil {
			return Answer{}, bot.NewRefusal("groups_unread")
		}
		list.Groups = in.allowed(list.Groups)
		found := holding(list.Groups, e.command.Named)
		shown := found[:min(len(found), groupsShown)]
		lines, err := in.groupLines(tx, shown)
		if err != nil {
			return Answer{}, err
		}
		head := bot.Say("answer.groups.none")
		if len(found) > 0 {
			head = bot.Say("answer.groups.head", "n", len(found))
		}
		if len(found) > len(shown) {
			head = bot.Say("answer.groups.head.of", "shown", len(shown), "n", len(found))
		}
		return Answer{Kind: Whisper, Lines: slices.Concat([]bot.Line{head}, lines, []bot.Line{looked(list)})}, nil
	})
}

// holding returns the groups whose name or id holds the words, as people read them.
func holding(groups []bot.ListedGroup, words string) (found []bot.ListedGroup) {
	want := command.AsRead(words)
	for _, g := range groups {
		if strings.Contains(command.AsRead(g.Name), want) || strings.Contains(command.AsRead(string(g.Group)), want) {
			found = append(found, g)
		}
	}
	return found
}
