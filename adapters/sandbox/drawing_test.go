package sandbox

import "testing"

// TestPlain: what was drawn for a browser is printed as its readers read it, a line for each line,
// and in colour only where that is asked for.
func TestPlain(t *testing.T) {
	const drawn = `<article class="slack"><div class="face" aria-hidden="true">R</div><div class="who">recallbot <small>15:00` +
		`</small></div><h3>Recall <i>2</i>?</h3><p>&lt;b&gt; <b>one</b>` + "\n" + `two</p><blockquote>three` + "\n" +
		`<code>100</code></blockquote><ul><li>a</li></ul><hr/><div class="row"><button class="danger">Approve</button>` +
		`<button>Reject</button></div><table><tr><td>x</td><td>y</td></tr></table></article>`
	for _, tt := range []struct {
		colour bool
		want   string
	}{
		{false, "│ recallbot 15:00\n│ Recall 2?\n│ <b> one\n│ two\n│ ▎ three\n│ ▎ 100\n│ • a\n│ ────\n" +
			"│ [Approve] [Reject]\n│ x | y\n"},
		{true, "│ \x1b[1mrecallbot \x1b[2m15:00\x1b[0m\x1b[1m\x1b[0m\n│ \x1b[1mRecall 2?\x1b[0m\n│ <b> \x1b[1mone\x1b[0m\n" +
			"│ two\n│ ▎ three\n│ ▎ \x1b[36m100\x1b[0m\n│ • a\n│ ────\n│ \x1b[7m[Approve]\x1b[0m \x1b[7m[Reject]\x1b[0m\n" +
			"│ x | y\n"},
	} {
		got, err := plain(drawn, tt.colour)
		if err != nil || got != tt.want {
			t.Errorf("%v:\n%q\nnot\n%q", err, got, tt.want)
		}
	}
}
