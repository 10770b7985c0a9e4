package recall_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// TestPortraits: nicknames are read of accounts that have one; one that the service does not know
// fails the whole call.
func TestPortraits(t *testing.T) {
	inBubble(t, recalltest.Options{}, func(t *testing.T, s *recalltest.Service, c *recall.Client) {
		s.Nickname("casino_77", "Lucky\u202e Luke")
		s.Nickname("empty", "")
		got, err := c.PortraitGet(t.Context(), []recall.UserID{"alice", "casino_77", "empty"})
		if want := map[recall.UserID]string{"casino_77": "Lucky\u202e Luke"}; err != nil || fmt.Sprint(got) !=
			fmt.Sprint(want) {
			t.Errorf("%q, %v", got, err)
		}
		s.Unimport("alice")
		_, err = c.PortraitGet(t.Context(), []recall.UserID{"casino_77", "alice"})
		if e, ok := errors.AsType[*recall.Error](err); !ok || e.Code != 70107 {
			t.Errorf("an account that is not imported: %v", err)
		}
		for name, ids := range map[string][]recall.UserID{"none": nil, "no name": {"alice", ""},
			"too many": make([]recall.UserID, recall.MaxPortraits+1)} {
			if _, err := c.PortraitGet(t.Context(), ids); !errors.Is(err, recall.ErrInvalidRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := s.Calls(recalltest.Portrait); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
	var path string
	see := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		path = r.URL.Path
		return (&stub{body: `{"ErrorCode":0,"UserProfileItem":[]}`}).RoundTrip(r)
	})}
	c, err := recall.New(recall.Config{SDKAppID: 1, SecretKey: "k", Region: recall.RegionChina, HTTPClient: see})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PortraitGet(t.Context(), []recall.UserID{"a"}); err != nil || path != "/v4/profile/portrait_get" {
		t.Errorf("%s, %v", path, err)
	}
	for body, want := range map[string]string{
		`{"ErrorCode":0,"UserProfileItem":[{"To_Account":"a","ResultCode":0,"ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"A"}]},
			{"To_Account":"other","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"O"}]},{"To_Account":"b","ResultCode":40003}]}`: "map[a:A]",
		`{"ErrorCode":0,"UserProfileItem":[{"To_Account":"a","ProfileItem":[{"Tag":"Tag_Profile_IM_Sex","Value":"A"}]}]}`: "map[]",
		`{"ErrorCode":0,"UserProfileItem":[{"To_Account":"a","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":5}]}]}`:  "map[]",
	} {
		got, err := stubClient(t, &stub{body: body}).PortraitGet(t.Context(), []recall.UserID{"a", "b"})
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%v, %v; want %s", got, err, want)
		}
	}
	for _, body := range []string{`{"ErrorCode":0}`, `{"ErrorCode":0,"UserProfileItem":{"To_Account":"a"}}`} {
		_, err := stubClient(t, &stub{body: body}).PortraitGet(t.Context(), []recall.UserID{"a"})
		if f, ok := errors.AsType[*recall.Fault](err); !ok || f.Kind != recall.FaultUnreadable {
			t.Errorf("%s: %v", body, err)
		}
	}
}
