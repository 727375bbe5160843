{#-
    perturb(cells, ptable, keys, rule_set, rules, cycle, least_published)

    The cell-key method: each count gets the noise that a p-table has for it and for its cell key, the sum of its records' keys
    modulo the number of keys. The same records have the same noise in every table and run. Tables do not add.
    Source: Fraser & Wooton (2005); the p-table's columns and conventions are those of the ONS package cell-key-perturbation.

    cells            ref() to a model that is one call of sdc.cells()
    ptable           ref() to a p-table: pcv (true count), ckey (cell key), pvalue (noise), one row for each pair
    keys             {count: measure that sums its record keys}: {'shops': 'shop_keys'}; see sdc.record_key(). Sums of keys and
                     measures that are not named are withheld
    rule_set, rules  as in protect(): the p-table must make the counts below the threshold ambiguous (the gate checks it)
    cycle            how many of the p-table's last counts serve all larger counts in turn: 1 for sdc's own tables, 250 for
                     the ONS table (501 to 750). Without it a larger count is an error
    least_published  perturbed counts below it are withheld (0: none)
-#}
{%- macro perturb(cells, ptable, keys, rule_set, rules={}, cycle=none, least_published=0) -%}
    {%- do sdc._require(keys is mapping and keys, 'perturb', 'keys',
        'a mapping of counts to the measures that sum their record keys, such as {"shops": "shop_keys"}', keys) -%}
    {%- do sdc._require(cycle is none or (cycle is integer and cycle is not boolean and cycle >= 1), 'perturb', 'cycle',
        'a whole number, 1 or more', cycle) -%}
    {%- do sdc._require(least_published is integer and least_published >= 0, 'perturb', 'least_published',
        'a whole number, 0 or more', least_published) -%}
    {%- set in_force = sdc._rules_in_force(model, rule_set, rules) -%}
    {%- do sdc._declare_method('cell_key', rule_set, rules,
        {'keys': keys, 'cycle': cycle, 'least_published': least_published}) -%}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set product = sdc._product_of(model, 'perturb') -%}
    {%- do sdc._check_keys(model, product, keys) -%}
    {%- set treated = {} -%}
with

cells as (
{{ sdc._numbered_cells(cells, product) }}
),

{{ sdc._ptable(ptable) }}

{% for measure in keys -%}
{%- do treated.update({measure: measure ~ '_perturbed'}) -%}
{{ measure }}_perturbed as (
{{ sdc._perturbed(product, measure, keys[measure], cycle, least_published) }}
),

{% endfor -%}
{{ sdc._ptable_problems(product, keys, cycle, model.name) }}

checked as (
    select case when count(*) > 0 then error(min(problem)) else true end as is_sound
    from problems
)

select treated_cells.*
from (
    {{ sdc._treated_cells(product, 'cell key', treated, in_force) | indent }}
) as treated_cells
where (select is_sound from checked)
{%- endmacro -%}


{#- Each count has a measure that sums its record keys, and both are what they say. -#}
{%- macro _check_keys(node, product, keys) -%}
    {%- for measure, key in keys.items() -%}
        {%- if measure not in product.measures or not sdc._is_count(product.measures[measure]) -%}
            {%- do exceptions.raise_compiler_error('sdc.perturb in ' ~ node.name ~ ': `keys` must be about counts; ' ~ measure
                ~ ' is not a count of the product. For other measures use sdc.round_controlled() or sdc.adjust()') -%}
        {%- elif key not in product.measures or product.measures[key].kind != 'sum' -%}
            {%- do exceptions.raise_compiler_error('sdc.perturb in ' ~ node.name ~ ': `keys` of ' ~ measure ~ ' must name a measure '
                ~ 'that sums record keys, such as {"sum": "record_key", "decimals": 0}; got: ' ~ key) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}


{#- The p-table and how far it goes, as CTEs. -#}
{%- macro _ptable(relation) -%}
ptable as (
    select
        cast(pcv as bigint) as pcv,
        cast(ckey as bigint) as ckey,
        cast(pvalue as bigint) as pvalue
    from {{ relation }}
),

ptable_size as (
    select
        max(pcv) as largest,
        max(ckey) + 1 as keys
    from ptable
),
{%- endmacro -%}


{#- The row of the p-table that serves a count, as SQL over `ptable_size`. -#}
{%- macro _pcv(count, cycle) -%}
    {%- if cycle is none -%}
        {{ count }}
    {%- else -%}
        case
            when {{ count }} <= ptable_size.largest then {{ count }}
            else ptable_size.largest - {{ cycle }} + 1 + ({{ count }} - ptable_size.largest - 1) % {{ cycle }}
        end
    {%- endif -%}
{%- endmacro -%}


{#- (by, cell_id, value) of a perturbed count; 0 stays 0 unless the p-table has a row for it. -#}
{%- macro _perturbed(product, measure, key, cycle, least_published) -%}
    select
        {{ sdc._prefixed(product.by, 'cells.') }}
        cells.cell_id,
        case
            when cells.{{ measure }} + noise.pvalue >= {{ least_published }} then cells.{{ measure }} + noise.pvalue
            when noise.pvalue is null and cells.{{ measure }} = 0 and {{ least_published }} = 0 then 0
        end as value
    from cells
    cross join ptable_size
    left join ptable as noise
        on noise.pcv = {{ sdc._pcv('cells.' ~ measure, cycle) }}
        and noise.ckey = cast(cells.{{ key }} as hugeint) % ptable_size.keys
{%- endmacro -%}


{#- What makes a p-table unfit, as a CTE `problems`; counts are not quoted. -#}
{%- macro _ptable_problems(product, keys, cycle, where) -%}
problems as (
    select 'sdc.perturb in {{ where }}: the p-table has no rows' as problem
    from ptable_size
    where largest is null
    union all
    select 'sdc.perturb in {{ where }}: the p-table has NULLs; pcv, ckey and pvalue are whole numbers' as problem
    from ptable
    where pcv is null or ckey is null or pvalue is null
    union all
    select 'sdc.perturb in {{ where }}: the p-table has overlapping rows: more than one for pcv ' || min(pcv)
        || ' and the same ckey. Keep one row for each pair' as problem
    from (
        select pcv
        from ptable
        group by pcv, ckey
        having count(*) > 1
    )
    having count(*) > 0
    union all
    select 'sdc.perturb in {{ where }}: the p-table has gaps: pcv ' || min(pcv)
        || ' has no row for some cell keys, or a count below the largest has none. Every pair from 1 to the largest needs one' as problem
    from (
        select counts.pcv
        from (
            select unnest(range(1, largest + 1)) as pcv
            from ptable_size
        ) as counts
        cross join ptable_size
        left join ptable on counts.pcv = ptable.pcv and ptable.ckey >= 0
        group by counts.pcv, ptable_size.keys
        having count(distinct ptable.ckey) < ptable_size.keys
    )
    having count(*) > 0
    union all
    select 'sdc.perturb in {{ where }}: the p-table makes a count of ' || min(pcv) || ' negative' as problem
    from ptable
    where pcv + pvalue < 0
    having count(*) > 0
    {%- if cycle is not none %}
    union all
    select 'sdc.perturb in {{ where }}: `cycle` {{ cycle }} is more than the ' || largest || ' counts of the p-table' as problem
    from ptable_size
    where {{ cycle }} > largest
    {%- endif %}
    {%- for measure, key in keys.items() %}
    {%- if cycle is none %}
    union all
    select 'sdc.perturb in {{ where }}: the p-table does not cover {{ measure }} of ' || min({{ sdc._cell_name(product.by + product.dimensions, 'cells.') }})
        || ': its largest count is ' || any_value(ptable_size.largest) || '. Extend it, or name with `cycle` the rows that serve larger counts' as problem
    from cells
    cross join ptable_size
    where cells.{{ measure }} > ptable_size.largest
    having count(*) > 0
    {%- endif %}
    union all
    select 'sdc.perturb in {{ where }}: {{ key }} is not a sum of record keys of {{ measure }}: keys are whole numbers from 0, NULL '
        || 'where a record does not count. See ' || min({{ sdc._cell_name(product.by + product.dimensions, 'cells.') }}) as problem
    from cells
    where
        cells.{{ key }} is null
        or cells.{{ key }} < 0
        or cells.{{ key }} <> floor(cells.{{ key }})
        or cells.{{ key }}_contributors is distinct from cells.{{ measure }}_contributors
    having count(*) > 0
    {%- endfor %}
),
{%- endmacro -%}
