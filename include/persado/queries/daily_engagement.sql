-- Marketing engagement of the run's data interval (Persado wants the previous day, every day): one row for each e-mail
-- sent in it. Timestamps are Unix seconds; NULL where the event did not happen.
SELECT
    md5(regexp_replace(lower(customers.email), '[+][^@]*@', '@')) AS Hashed_Email,
    engagement.campaign_name AS Campaign_Name,
    engagement.subject_line AS Subject_Line,  -- the Persado ID
    engagement.send_id AS Send_ID,            -- the sending system's job id
    epoch_ms(engagement.sent_at) // 1000 AS Sent_Timestamp,
    epoch_ms(engagement.bounced_at) // 1000 AS Bounced_Timestamp,
    epoch_ms(engagement.opened_at) // 1000 AS Opened_Timestamp,
    epoch_ms(engagement.clicked_at) // 1000 AS Clicked_Timestamp,
    epoch_ms(engagement.unsubscribed_at) // 1000 AS Unsubscribed_Timestamp
FROM email_engagement AS engagement
JOIN customers USING (customer_id)
WHERE engagement.sent_at >= TIMESTAMPTZ '{{ data_interval_start.isoformat() }}'
    AND engagement.sent_at < TIMESTAMPTZ '{{ data_interval_end.isoformat() }}'
    AND customers.email <> ''
ORDER BY Sent_Timestamp, Send_ID, Hashed_Email
