package recall

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxContentBytes is the longest message body that the service takes.
// Source: https://www.tencentcloud.com/document/product/1047/34381.
const MaxContentBytes = 12 << 10

// A NotificationRequest is one call of send_group_system_notification.
type NotificationRequest struct {
	Group   GroupID
	Topic   TopicID  // empty for the group itself
	Content string   // not empty, at most MaxContentBytes of UTF-8
	To      []UserID // members who get it; none for the whole group. AVChatRoom groups take the whole group only
}

// SendGroupSystemNotification calls send_group_system_notification, which
// shows a text to the members of a group who are online now; nothing is
// stored. One attempt, one slot of the read pacer.
//
// Source: https://cloud.tencent.com/document/product/269/1630.
func (c *Client) SendGroupSystemNotification(ctx context.Context, r NotificationRequest) error {
	const op = "send_group_system_notification"
	err := errors.Join(r.Group.Check(), r.Topic.Check(r.Group))
	switch {
	case err != nil:
	case r.Content == "":
		err = errors.New("no content")
	case len(r.Content) > MaxContentBytes:
		err = fmt.Errorf("the content has %d bytes, more than %d", len(r.Content), MaxContentBytes)
	case !utf8.ValidString(r.Content):
		err = errors.New("the content is not UTF-8")
	}
	if err != nil {
		return invalid(op, err)
	}
	request := struct {
		GroupId           GroupID
		TopicId           TopicID `json:",omitempty"`
		Content           string
		ToMembers_Account []UserID `json:",omitempty"`
	}{r.Group, r.Topic, r.Content, r.To}
	_, err = c.call(ctx, call{op: op, pacer: c.reads, request: request})
	return err
}
