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

// Invitation returns the link with which an administrator invites the bot.
func Invitation(applicationID string) (string, error) {
	if applicationID == "" {
		return "", errors.New("manifest discord needs DISCORD_APPLICATION_ID")
	}
	if !isSnowflake(applicationID) {
		return "", fmt.Errorf("the application id %q is not a number", applicationID)
	}
	q := url.Values{
		"client_id": {applicationID}, "scope": {"bot applications.commands"},
		"permissions": {strconv.FormatInt(Permissions, 10)}, "integration_type": {"0"},
	}
	return "https://discord.com/oauth2/authorize?" + q.Encode(), nil
}

// Definitions returns the commands of the bot as the JSON with which they are registered.
func Definitions() ([]byte, error) { return json.MarshalIndent(commands(), "", "  ") }
