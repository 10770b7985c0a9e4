package recall_test

import (
	"strings"
	"testing"

	"recallbot/recall"
)

// What the pages advise, code by code. Class and level decide what is sent
// again and what is stopped, so each is written down a second time here.
func TestCodesAreClassified(t *testing.T) {
	type class = recall.Class
	type level = recall.Level
	const (
		batch, request, app = recall.LevelBatch, recall.LevelRequest, recall.LevelApp
	)
	want := map[class]map[level][]recall.Code{
		recall.ClassRetry:          {batch: {10049, 10056, 60004, 60005, 60014}},
		recall.ClassSignAgain:      {app: {70001, 70052}},
		recall.ClassSlower:         {batch: {10006, 10023, 60007, 60011, 60018, 60019, 72010}},
		recall.ClassWait:           {app: {70050}},
		recall.ClassUnknownOutcome: {batch: {10002, 60008, 60013, 70169, 70202, 70500}},
		recall.ClassNever: {
			recall.LevelMessage: {10004, 10030, 10031, 10032},
			batch: {
				10005, 10009, 10011, 10013, 10014, 10016, 10017, 10018, 10019, 10021, 10024, 10025, 10034, 10035, 10036,
				10037, 10038,
				10045, 10046, 10047, 10048, 10050, 10051, 10052, 10053, 10054, 10058, 10060, 10061, 10062, 10063, 10070,
				80001, 80002, 80003, 80004,
			},
			request: {10007, 10010, 10015, 10033, 10041, 10044, 11000, 110006, 110007, 110008, 110009, 110010, 110011,
				110012, 110013, 110014},
			app: {
				10003, 10008, 10012, 10026, 10059, 60002, 60003, 60006, 60009, 60010, 60012, 60015, 60016, 60017, 60020,
				60021, 60025, 60026, 60027, 60028,
				70002, 70003, 70005, 70009, 70013, 70014, 70016, 70020, 70051, 70107, 70114, 70206, 70398, 70399, 70402,
				70403, 70404, 71000, 72000, 72001, 72002, 72011, 72012, 80005,
			},
		},
	}
	n := 0
	for class, levels := range want {
		for level, codes := range levels {
			for _, c := range codes {
				n++
				if !c.Known() || c.Class() != class || c.Level() != level {
					t.Errorf("%v: %v, %v, known: %v; want %v, %v", c, c.Class(), c.Level(), c.Known(), class, level)
				}
				if c.Name() == "" || !strings.HasSuffix(c.Meaning(), ".") || !strings.HasPrefix(c.Page(), "https://") {
					t.Errorf("%v lacks its words or page: %q, %q", c, c.Meaning(), c.Page())
				}
			}
		}
	}
	if all := recall.Codes(); len(all) != n {
		t.Errorf("%d codes are known, %d are listed here", len(all), n)
	}
}

func TestUnknownCodeIsNeverRetried(t *testing.T) {
	for _, c := range []recall.Code{-1, 1, 10001, 60999, 70047, 70346, 70347, 70348, 99999} {
		if c.Known() || c.Class() != recall.ClassNever || c.Level() != recall.LevelBatch ||
			c.Name() != "unknown code" || c.Page() != "" {
			t.Errorf("%v: %v, %v", c, c.Class(), c.Level())
		}
	}
	if recall.CodeOK.Class() != recall.ClassNone || !recall.CodeOK.Known() {
		t.Error("0 is not what it should be")
	}
}

// The table of the recall page.
func TestCodesOfTheRecallPage(t *testing.T) {
	for code, name := range map[recall.Code]string{
		10002: "internal error", 10003: "unknown command", 10004: "bad parameter", 10007: "not allowed",
		10010: "no such group", 10015: "bad group id",
		10030: "no such message", 10031: "message too old", 10032: "message cannot be recalled",
		10033: "group type cannot recall", 10041: "recall switched off",
	} {
		if code.Name() != name || code.Page() != "https://www.tencentcloud.com/document/product/1047/34965" {
			t.Errorf("%v is on %s", code, code.Page())
		}
	}
}
