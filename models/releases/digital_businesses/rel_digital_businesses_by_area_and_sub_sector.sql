{{ config(location=sdc.release_location('rel_digital_businesses_by_area_and_sub_sector')) }}

select *
from {{ ref('pub_digital_businesses_by_area_and_sub_sector') }}
order by all
