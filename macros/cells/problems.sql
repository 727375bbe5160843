{#-
    What makes the contributions unfit to be tabulated, as a CTE `problems` of sentences that name model, dimension
    and code and say what to do. cells() stops with the first. Codes and row counts are named, contributions never.
-#}
{%- macro _problems(product) -%}
    {%- set where = 'sdc.cells in ' ~ model.name ~ ': ' -%}
{{ sdc._facts(product) }}

problems as (
    select '1 {{ where }}the contributions are empty: there is nothing to tabulate. '
        || 'Check the source, and filters between it and this model' as problem
    from facts
    where records = 0
    union all
    select '2 {{ where }}contributor `{{ product.contributor }}` is NULL in ' || without_contributor || ' rows. '
        || 'Give each record the id of the unit it belongs to, or drop it in staging with a reason' as problem
    from facts
    where without_contributor > 0
    {%- for column in product.by %}
    union all
    select '3 {{ where }}`by` column `{{ column }}` is NULL in ' || without_{{ column }} || ' rows' as problem
    from facts
    where without_{{ column }} > 0
    {%- endfor %}
    {%- for flag, argument in [('requested', 'requests'), ('waived', 'waivers')] if product[argument] %}
    union all
    select '3 {{ where }}`{{ argument }}` column `{{ product[argument] }}` is NULL in ' || without_{{ flag }} || ' rows. '
        || 'Say true or false for each record' as problem
    from facts
    where without_{{ flag }} > 0
    {%- endfor %}
    {%- for measure in product.measures if measure.weight %}
    union all
    select '4 {{ where }}measure `{{ measure.name }}` has ' || {{ measure.name }}_unweighable || ' records that count and have '
        || 'no weight, or a negative one, in `{{ measure.weight }}`. Give each respondent its weight in staging' as problem
    from facts
    where {{ measure.name }}_unweighable > 0
    {%- endfor %}
    {%- for measure in product.measures if not sdc._is_count(measure) and not measure.negatives %}
    union all
    select '4 {{ where }}measure `{{ measure.name }}` has ' || {{ measure.name }}_negative || ' negative contributions. '
        || 'Negative values need a declared treatment: "negatives": "absolute" in the measure, or correct them in staging, '
        || 'or leave them NULL' as problem
    from facts
    where {{ measure.name }}_negative > 0
    {%- endfor %}
    {%- for measure in product.measures if not sdc._is_count(measure) %}
    {%- set columns = ['`' ~ measure.column ~ '`'] * (measure.column is not sameas true)
        + ['`' ~ measure.weight ~ '`'] * (measure.weight is not none) %}
    {%- set most = sdc._digits(measure) - measure.decimals %}
    union all
    select '5 {{ where }}measure `{{ measure.name }}` has ' || {{ measure.name }}_unreadable || ' records in which '
        || '{{ columns | join(" times ") }} is no number of at most {{ most }} digits before the point. Correct them in staging' as problem
    from facts
    where {{ measure.name }}_unreadable > 0
    union all
    select '5 {{ where }}measure `{{ measure.name }}` adds up to more than {{ most }} digits before the point. Tabulate thousands '
        || 'or millions, or give the measure fewer "decimals"' as problem
    from facts
    where {{ measure.name }}_size >= 1e{{ most }}
    {%- endfor %}
    {%- for dimension in product.dimensions %}
    {%- set name = dimension.name %}
    union all
    select '5 {{ where }}dimension `{{ name }}` is NULL in ' || without_{{ name }} || ' rows. '
        || 'Give unknown values a code of their own in staging' as problem
    from facts
    where without_{{ name }} > 0
    {%- for derived, measure in product.declared.items() if measure.get('bands') == name %}
    union all
    select '7 {{ where }}`{{ derived }}` has no bounds for these codes of `{{ name }}`: ' || {{ sdc._some('code') }}
        || '. Add them to "bounds", with none for a band that has no size' as problem
    from {{ name }}_used
    where
        code not in (
            {%- for code in measure.bounds.bands | map(attribute='code') | list + measure.bounds.without -%}
            '{{ code | replace("'", "''") }}'{{ ', ' if not loop.last }}
            {%- endfor -%}
        )
    having count(*) > 0
    {%- endfor %}
    {%- if dimension.hierarchy is none %}
    union all
    select '6 {{ where }}dimension `{{ name }}` has the code {{ dimension.total }} in ' || sum(records) || ' rows, '
        || 'which is the code of its total. Rename it in staging' as problem
    from {{ name }}_used
    where code = '{{ dimension.total }}'
    having count(*) > 0
    {%- else %}
    union all
    select '6 {{ where }}the hierarchy of `{{ name }}` (' || '{{ dimension.hierarchy | replace("'", "''") }}'
        || ') must have one root, with the code {{ dimension.total }}; its roots are: '
        || coalesce(string_agg(distinct code, ', ' order by code), 'none')
        || '. Correct the hierarchy, or name its root with `total` in the dimension' as problem
    from {{ name }}_hierarchy
    where parent is null
    having count(distinct code) <> 1 or min(code) <> '{{ dimension.total }}'
    union all
    select '6 {{ where }}the hierarchy of `{{ name }}` has a cycle through: '
        || string_agg(code, ', ' order by code) || '. Each code must lead up to the root' as problem
    from {{ name }}_above
    where code = ancestor
    having count(*) > 0
    union all
    select '6 {{ where }}the hierarchy of `{{ name }}` names parents that are not codes of it: '
        || string_agg(distinct parent, ', ' order by parent) as problem
    from {{ name }}_hierarchy
    where parent is not null and parent not in (select code from {{ name }}_hierarchy where code is not null)
    having count(*) > 0
    union all
    select '6 {{ where }}the hierarchy of `{{ name }}` has NULL codes, or lists these codes more than once: '
        || coalesce(string_agg(code, ', ' order by code), 'NULL') as problem
    from (
        select code
        from {{ name }}_hierarchy
        group by hierarchy, code
        having count(*) > 1 or code is null
    )
    having count(*) > 0
    union all
    select '7 {{ where }}dimension `{{ name }}` has codes that its hierarchy does not know: '
        || {{ sdc._some('code') }}
        || '. Add them to the hierarchy, or map them in staging' as problem
    from {{ name }}_used
    where code not in (select code from {{ name }}_hierarchy where code is not null)
    having count(*) > 0
    union all
    select '7 {{ where }}dimension `{{ name }}` has records at codes that are sums of other codes: '
        || {{ sdc._some('code') }}
        || '. Records belong to the lowest level' as problem
    from {{ name }}_used
    where code in (select parent from {{ name }}_hierarchy where parent is not null)
    having count(*) > 0
    {%- if dimension.several %}
    union all
    select '7 {{ where }}the hierarchies of `{{ name }}` disagree: '
        || 'these lowest codes are not in each of them: ' || string_agg(code, ', ' order by code) as problem
    from (
        select code
        from {{ name }}_hierarchy
        where code in (select code from {{ name }}_used)
        group by code
        having count(distinct hierarchy) < (select count(distinct hierarchy) from {{ name }}_hierarchy)
    )
    having count(*) > 0
    {%- endif %}
    {%- endif %}
    {%- endfor %}
),
{%- endmacro -%}


{#- What can be counted in one reading of the contributions, as a CTE `facts` of one row. -#}
{%- macro _facts(product) -%}
facts as (
    select
        {%- for column in product.by + product.dimensions | map(attribute='name') | list %}
        count(*) - count({{ column }}) as without_{{ column }},
        {%- endfor %}
        {%- for flag, argument in [('requested', 'requests'), ('waived', 'waivers')] if product[argument] %}
        count(*) - count({{ flag }}) as without_{{ flag }},
        {%- endfor %}
        {%- for measure in product.measures if measure.weight %}
        count(*) filter (where {{ measure.name }}_amount is not null and coalesce({{ measure.name }}_weight < 0, true))
            as {{ measure.name }}_unweighable,
        {%- endfor %}
        {%- for measure in product.measures if not sdc._is_count(measure) and not measure.negatives %}
        count(*) filter (where {{ measure.name }}{{ '_amount' if measure.weight }} < 0) as {{ measure.name }}_negative,
        {%- endfor %}
        {%- for measure in product.measures if not sdc._is_count(measure) %}
        count(*) filter (where {{ measure.name }}_given and {{ measure.name }} is null) as {{ measure.name }}_unreadable,
        greatest(
            sum(abs({{ measure.name }})){{ ', sum(abs(' ~ measure.name ~ '_amount))' if measure.weight }}
        ) as {{ measure.name }}_size,
        {%- endfor %}
        count(*) - count(contributor) as without_contributor,
        count(*) as records
    from contributions
),
{%- endmacro -%}


{#- The first five distinct codes of a column, and how many there are: enough to act on, and no listing of the data. -#}
{%- macro _some(column) -%}
    array_to_string(list(distinct {{ column }} order by {{ column }})[:5], ', ')
        || case when count(distinct {{ column }}) > 5 then ' and others, ' || count(distinct {{ column }}) || ' in all' else '' end
{%- endmacro -%}
