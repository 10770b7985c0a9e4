package recall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// MaxPortraits is how many accounts one call of portrait_get takes.
const MaxPortraits = 100

// nickTag is the field of a profile that has the nickname.
const nickTag = "Tag_Profile_IM_Nick"

// PortraitGet calls portrait_get for what up to [MaxPortraits] accounts call
// themselves: one attempt, one slot of the read pacer. An account without a
// nickname is left out. One account that the service does not know fails the
// whole call, and the answer does not say which it is. A nickname is text of
// others, and proves nothing of who they are.
//
// Source: https://www.tencentcloud.com/document/product/1047/34917.
func (c *Client) PortraitGet(ctx context.Context, accounts []UserID) (map[UserID]string, error) {
	const op = "portrait_get"
	if n := len(accounts); n == 0 || n > MaxPortraits {
		return nil, invalid(op, fmt.Errorf("%d accounts, not 1 to %d", n, MaxPortraits))
	}
	for _, a := range accounts {
		if a == "" {
			return nil, invalid(op, errors.New("an account without a name"))
		}
	}
	request := struct {
		To_Account []UserID
		TagList    []string
	}{accounts, []string{nickTag}}
	a, err := c.call(ctx, call{service: "profile", op: op, pacer: c.reads, request: request})
	if err != nil {
		return nil, err
	}
	var entries []struct {
		To_Account  text
		ResultCode  number
		ProfileItem []struct{ Tag, Value text }
	}
	if json.Unmarshal(a.UserProfileItem, &entries) != nil {
		return nil, &Fault{Op: op, Kind: FaultUnreadable, Err: errors.New("UserProfileItem is not a list of profiles")}
	}
	names := map[UserID]string{}
	for _, e := range entries {
		id := UserID(e.To_Account)
		if e.ResultCode.n != 0 || !slices.Contains(accounts, id) {
			continue
		}
		for _, i := range e.ProfileItem {
			if i.Tag == nickTag && i.Value != "" {
				names[id] = string(i.Value)
			}
		}
	}
	return names, nil
}
