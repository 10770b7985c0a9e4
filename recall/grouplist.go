package recall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Limits of the list of groups.
const (
	// MaxGroupPage is how many groups one page of the list holds.
	MaxGroupPage = 10_000
	// MaxGroupInfos is how many groups one call of get_group_info takes.
	MaxGroupInfos = 50
)

// A GroupPage is one page of the groups of the app.
type GroupPage struct {
	Groups []GroupID
	Total  int    // groups of the app, on all pages
	Next   uint64 // asks for the next page; 0 when this is the last
}

// GetAppIDGroupList calls get_appid_group_list for one page of the ids of all
// groups of the app: one attempt, one slot of a pacer of its own, for the
// service takes one call a second. The first page is that of next 0. An answer
// without Next is a [*Fault]: nobody would know whether it is the last.
//
// Source: https://www.tencentcloud.com/document/product/1047/34960.
func (c *Client) GetAppIDGroupList(ctx context.Context, next uint64) (GroupPage, error) {
	const op = "get_appid_group_list"
	request := struct {
		Limit int
		Next  uint64
	}{MaxGroupPage, next}
	a, err := c.call(ctx, call{op: op, pacer: c.lists, request: request})
	if err != nil {
		return GroupPage{}, err
	}
	unreadable := func(why string) (GroupPage, error) {
		return GroupPage{}, &Fault{Op: op, Kind: FaultUnreadable, Err: errors.New(why)}
	}
	var entries []struct{ GroupId text }
	if json.Unmarshal(a.GroupIdList, &entries) != nil {
		return unreadable("GroupIdList is not a list of groups")
	}
	page := GroupPage{Total: a.TotalCount.asInt()}
	if string(a.Next) == "null" || json.Unmarshal(a.Next, &page.Next) != nil {
		return unreadable("the answer has no Next")
	}
	for _, e := range entries {
		if GroupID(e.GroupId).Check() != nil {
			return unreadable("GroupIdList has something that is no group's id")
		}
		page.Groups = append(page.Groups, GroupID(e.GroupId))
	}
	return page, nil
}

// MaxJoinedGroups is how many groups one call of get_joined_group_list names.
const MaxJoinedGroups = 5000

// GetJoinedGroupList calls get_joined_group_list for the groups that an account
// is a member of now: one attempt, one slot of the read pacer. It asks for all
// types of group and for those that have been silent for long. total is how
// many there are; where that is more than MaxJoinedGroups the rest is left out.
//
// Source: https://www.tencentcloud.com/document/product/1047/34925.
func (c *Client) GetJoinedGroupList(ctx context.Context, member UserID) (groups []GroupID, total int, err error) {
	const op = "get_joined_group_list"
	request := struct {
		Member_Account                     UserID
		Limit, Offset                      int
		WithHugeGroups, WithNoActiveGroups int
	}{member, MaxJoinedGroups, 0, 1, 1}
	a, err := c.call(ctx, call{op: op, pacer: c.reads, request: request})
	if err != nil {
		return nil, 0, err
	}
	var entries []struct{ GroupId text }
	if json.Unmarshal(a.GroupIdList, &entries) != nil {
		return nil, 0, &Fault{Op: op, Kind: FaultUnreadable, Err: errors.New("GroupIdList is not a list of groups")}
	}
	for _, e := range entries {
		if GroupID(e.GroupId).Check() != nil {
			return nil, 0, &Fault{Op: op, Kind: FaultUnreadable,
				Err: errors.New("GroupIdList has something that is no group's id")}
		}
		groups = append(groups, GroupID(e.GroupId))
	}
	return groups, max(a.TotalCount.asInt(), len(groups)), nil
}

// GetGroupInfos calls get_group_info for up to [MaxGroupInfos] groups: one
// attempt, one slot of the read pacer. A group that does not exist any more is
// left out of the result. Where the answer says anything else of a group than
// its properties, or nothing, it is an error: a list that silently lacks a
// group is worse than none.
func (c *Client) GetGroupInfos(ctx context.Context, groups []GroupID) ([]GroupInfo, error) {
	const op = "get_group_info"
	if n := len(groups); n == 0 || n > MaxGroupInfos {
		return nil, invalid(op, fmt.Errorf("%d groups, not 1 to %d", n, MaxGroupInfos))
	}
	for i, g := range groups {
		if err := g.Check(); err != nil {
			return nil, invalid(op, err)
		}
		if slices.Contains(groups[:i], g) {
			return nil, invalid(op, errors.New("a group twice"))
		}
	}
	a, err := c.call(ctx, call{op: op, pacer: c.reads, request: infoRequest(groups)})
	if err != nil && len(a.GroupInfo) == 0 {
		return nil, err
	}
	var infos []GroupInfo
	for _, g := range groups {
		info, code, words, ok := findGroupInfo(a.GroupInfo, g)
		switch {
		case !ok && err != nil:
			return nil, err
		case !ok:
			return nil, &Fault{Op: op, Kind: FaultUnreadable, Err: errNoGroup}
		case code == CodeNoGroup || code == CodeBadGroupID:
		case code != CodeOK:
			return nil, c.apiError(op, code, words, a.RequestId, "")
		default:
			infos = append(infos, info)
		}
	}
	return infos, nil
}
