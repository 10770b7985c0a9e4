package discord

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/bwmarrin/discordgo"
)

// Permissions are exactly the permissions that the bot needs in a server.
const Permissions int64 = discordgo.PermissionViewChannel | discordgo.PermissionSendMessages |
	discordgo.PermissionSendMessagesInThreads | discordgo.PermissionCreatePublicThreads |
	discordgo.PermissionEmbedLinks | discordgo.PermissionAttachFiles | discordgo.PermissionReadMessageHistory

// Manifest returns the link with which an administrator invites the bot, and its commands as JSON.
func Manifest(applicationID string) (inviteURL string, commandsJSON []byte, err error) {
	if applicationID == "" {
		return "", nil, errors.New("manifest discord needs DISCORD_APPLICATION_ID")
	}
	if !isSnowflake(applicationID) {
		return "", nil, fmt.Errorf("the application id %q is not a number", applicationID)
	}
	q := url.Values{
		"client_id": {applicationID}, "scope": {"bot applications.commands"},
		"permissions": {strconv.FormatInt(Permissions, 10)}, "integration_type": {"0"},
	}
	commandsJSON, err = json.MarshalIndent(commands(), "", "  ")
	return "https://discord.com/oauth2/authorize?" + q.Encode(), commandsJSON, err
}
