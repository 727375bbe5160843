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
-- D6 is telecoms as a whole, in the table of the digital sector too; its classes are those of SIC division 61
where
    sub_sector = 'D6'
    or sub_sector like '61.%'
