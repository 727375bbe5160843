{{ config(location=sdc.release_location('rel_toy_by_area')) }}

select *
from {{ ref('pub_toy_by_area') }}
order by all
