-- The whole segment, one row for each e-mail address: of several customers who share one, the newest counts.
SELECT
    md5(regexp_replace(lower(customers.email), '[+][^@]*@', '@')) AS Hashed_Email,
    customers.birth_date AS birthdate,
    customers.gender,
    customers.state AS state_province_cd,
    customers.anniversary,
    customers.wedding_date AS wedding_dt,
    customers.loyalty_id AS loyalty,
    customers.children AS children_count,
    customers.registration_source,
    customers.profile_complete AS profile_compl_flag,
    segments.segment_name,
    segments.segmentation_tag,
    customers.store_distance AS closest_mik_distance
FROM segments
JOIN customers USING (customer_id)
WHERE customers.email <> ''
QUALIFY row_number() OVER (PARTITION BY Hashed_Email ORDER BY customers.customer_id DESC) = 1
ORDER BY Hashed_Email
