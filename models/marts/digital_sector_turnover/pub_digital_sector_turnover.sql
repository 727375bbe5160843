select
    period,
    area,
    area_label,
    sub_sector,
    sub_sector_label,
    size_band,
    size_band_label,
    {{ sdc.published('turnover') }}
from {{ ref('int_digital_sector_turnover__protected') }}
-- the classes of telecoms, SIC division 61, have a table of their own
where sub_sector not like '61.%'
