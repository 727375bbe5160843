{{ config(location=sdc.release_location('rel_toy_by_area_and_size')) }}

select *
from {{ ref('pub_toy_by_area_and_size') }}
order by all
