select
    cast(period as varchar) as period,
    shop_id,
    {{ var('toy_owner', 'owner_id') }} as owner_id,
    {{ var('toy_area', 'area') }} as area,
    {{ var('toy_size', 'size_band') }} as size_band,
    cast({{ var('toy_turnover', 'turnover') }} as decimal(18, 2)) as turnover
from {{ source('toy', 'shops') }}
where {{ var('toy_filter', 'true') }}
