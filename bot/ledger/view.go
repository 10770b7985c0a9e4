package ledger

import (
	"database/sql"

	"recallbot/bot"
)

// AddView stores a new view of a card.
func (t *tx) AddView(v bot.View) error {
	const do = "add view"
	ref, err := encode(v.Ref)
	if err != nil {
		return t.fail(do, err) // unreachable: strings always marshal
	}
	_, err = t.exec(do, `INSERT INTO view
		(request, platform, workspace, channel, thread, ref, wanted, shown, after, tries, seen, gone, barred, dead)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		v.Request, v.Place.Platform, v.Place.Workspace, v.Place.Channel, v.Place.Thread,
		ref, v.Wanted, v.Shown, millis(v.After), v.Tries, flag(v.Seen), v.Gone, millis(v.Barred), flag(v.Dead))
	return err
}

// Want raises the wanted version of the request's views.
func (t *tx) Want(id bot.RequestID) error {
	_, err := t.exec("want view", `UPDATE view SET wanted = wanted + 1 WHERE request = $1`, id)
	return err
}

// Views returns stale views.
func (t *tx) Views(p bot.Platform, limit int) ([]bot.View, error) {
	return t.views(
		`platform = $1 AND wanted > shown AND dead = 0 ORDER BY after, request, channel, thread LIMIT $2 + 0`, p,
		max(limit, 0))
}

// ViewOf returns the views of a request.
func (t *tx) ViewOf(id bot.RequestID) ([]bot.View, error) {
	return t.views(`request = $1 ORDER BY platform, workspace, channel, thread`, id)
}

func (t *tx) views(where string, args ...any) ([]bot.View, error) {
	var views []bot.View
	err := t.each("read views",
		`SELECT request, platform, workspace, channel, thread, ref, wanted, shown, after, tries, seen, gone, barred,
				dead
			FROM view WHERE `+where, args, func(row *sql.Rows) error {
			var v bot.View
			var ref string
			var after, barred int64
			var seen, dead int
			if err := row.Scan(&v.Request, &v.Place.Platform, &v.Place.Workspace, &v.Place.Channel, &v.Place.Thread,
				&ref, &v.Wanted, &v.Shown, &after, &v.Tries, &seen, &v.Gone, &barred, &dead); err != nil {
				return err
			}
			v.After, v.Seen, v.Barred, v.Dead = moment(after), seen != 0, moment(barred), dead != 0
			views = append(views, v)
			return decode(ref, &views[len(views)-1].Ref)
		})
	return views, err
}

// PutView stores what a place shows.
func (t *tx) PutView(v bot.View) error {
	const do = "put view"
	ref, err := encode(v.Ref)
	if err != nil {
		return t.fail(do, err) // unreachable: strings always marshal
	}
	return t.change(do, `UPDATE view SET shown = CASE WHEN shown > $6 THEN shown ELSE $6 END,
			ref = $7, after = $8, tries = $9, seen = $10, gone = $11, barred = $12, dead = $13
		WHERE request = $1 AND platform = $2 AND workspace = $3 AND channel = $4 AND thread = $5`,
		v.Request, v.Place.Platform, v.Place.Workspace, v.Place.Channel, v.Place.Thread, v.Shown, ref, millis(v.After),
		v.Tries, flag(v.Seen), v.Gone, millis(v.Barred), flag(v.Dead))
}

// AddPost queues a post.
func (t *tx) AddPost(p bot.Post) error {
	const do = "add post"
	var texts [3]string
	for i, v := range []any{p.Place, p.Line, p.Ref} {
		var err error
		if texts[i], err = encode(v); err != nil {
			return t.fail(do, err)
		}
	}
	_, err := t.exec(do, `INSERT INTO post (request, key, n, platform, place, kind, line, ref, after, tries, posted)
		VALUES ($1, $2, (SELECT COALESCE(MAX(n), 0) + 1 FROM post), $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (request, key) DO NOTHING`,
		p.Request, p.Key, p.Place.Platform, texts[0], p.Kind, texts[1], texts[2], millis(p.After), p.Tries,
		flag(p.Posted))
	return err
}

const selectPosts = `SELECT request, key, place, kind, line, ref, after, tries FROM post WHERE `

// firstPosts are the first unposted posts of requests. A post that waits delays only later posts of
// its own request.
const firstPosts = selectPosts + `platform = $1 AND posted = 0 AND NOT EXISTS (
			SELECT 1 FROM post earlier
			WHERE earlier.request = post.request AND earlier.platform = post.platform
				AND earlier.posted = 0 AND earlier.n < post.n)
		ORDER BY after, n LIMIT $2 + 0`

// Posts returns the first unposted post of each request.
func (t *tx) Posts(p bot.Platform, limit int) ([]bot.Post, error) {
	return t.posts(firstPosts, p, max(limit, 0))
}

// PostsOf returns the unposted posts of a request.
func (t *tx) PostsOf(id bot.RequestID) ([]bot.Post, error) {
	return t.posts(selectPosts+`request = $1 AND posted = 0 ORDER BY n`, id)
}

func (t *tx) posts(query string, args ...any) ([]bot.Post, error) {
	var posts []bot.Post
	err := t.each("read posts", query, args, func(row *sql.Rows) error {
		var p bot.Post
		var place, line, ref string
		var after int64
		if err := row.Scan(&p.Request, &p.Key, &place, &p.Kind, &line, &ref, &after, &p.Tries); err != nil {
			return err
		}
		p.After = moment(after)
		for text, into := range map[*string]any{&place: &p.Place, &line: &p.Line, &ref: &p.Ref} {
			if err := decode(*text, into); err != nil {
				return err
			}
		}
		posts = append(posts, p)
		return nil
	})
	return posts, err
}

// PutPost stores a changed post.
func (t *tx) PutPost(p bot.Post) error {
	const do = "put post"
	ref, err := encode(p.Ref)
	if err != nil {
		return t.fail(do, err) // unreachable: strings always marshal
	}
	return t.change(do, `UPDATE post SET ref = $3, after = $4, tries = $5, posted = $6 WHERE request = $1 AND key = $2`,
		p.Request, p.Key, ref, millis(p.After), p.Tries, flag(p.Posted))
}
