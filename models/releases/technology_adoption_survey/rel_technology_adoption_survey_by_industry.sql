{{ config(location=sdc.release_location('rel_technology_adoption_survey_by_industry')) }}

select *
from {{ ref('pub_technology_adoption_survey_by_industry') }}
order by all
