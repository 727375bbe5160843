{{ config(location=sdc.release_location('rel_company_register_by_postcode_district')) }}

select *
from {{ ref('pub_company_register_by_postcode_district') }}
order by all
