{{ config(location=sdc.release_location('rel_digital_sector_turnover')) }}

select *
from {{ ref('pub_digital_sector_turnover') }}
order by all
