--- Inboxes as the service shows them. The shape is the documented one; `inbox_identifier`, which the public client
-- API needs, and `webhook_url` are shown for API inboxes, as servers do.

---@param inbox table
---@return table
return function(inbox)
    return {
        id = inbox.id,
        name = inbox.name,
        website_url = inbox.website_url or "",
        channel_type = inbox.channel_type,
        avatar_url = inbox.avatar_url or "",
        widget_color = inbox.widget_color or "",
        website_token = inbox.website_token or "",
        enable_auto_assignment = inbox.enable_auto_assignment,
        web_widget_script = inbox.website_token
            and ("<script>/* twin */ chatwootSDK.run({ websiteToken: '%s' })</script>"):format(inbox.website_token)
            or "",
        welcome_title = inbox.welcome_title or "",
        welcome_tagline = inbox.welcome_tagline or "",
        greeting_enabled = inbox.greeting_enabled or false,
        greeting_message = inbox.greeting_message or "",
        inbox_identifier = inbox.identifier,
        webhook_url = inbox.webhook_url,
    }
end
