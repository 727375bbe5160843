{#-
    The primary rules: name -> parameters and what makes a cell of a measure unsafe. Each rule is a file of its own with
    two macros:

        <rule>_parameters()                  its parameters by name, made with _parameter(); the first is what a bare
                                             number stands for (`threshold: 10`)
        rule_<rule>(measure, asked, product) none where the rule says nothing about the measure, else a mapping
            condition   SQL over the columns of the cells model, true where the cell is unsafe; NULL counts as true
            upl         SQL, the upper protection level the cell then needs, in units of the measure (lower: the same,
                        as far as the attacker's prior bound allows); NULL counts as the whole value
            of_count    true where the rule looks at the number of contributors only: what the count of the cell's
                        records makes unsafe is then unsafe in every measure of the product
            of_sums     the parameters by which sums of suppressed cells must pass the rule, too; none where it looks at
                        single cells only

    A new rule is one file and one line here; one of sums is also a case of the engine's (python/sdc/engine/rules.py). The
    rule's name is the reason of the protected model; SDMX codes (CL_CONF_STATUS) for it: A small counts (threshold,
    unweighted_base); O, T, M dominance by one, by two, by one or two units (dominance; M for p_percent and
    prior_posterior); C confidential (all others); D secondary; F free.
-#}
{%- macro _rules() -%}
    {{- return({
        'threshold': {'parameters': sdc.threshold_parameters(), 'apply': sdc.rule_threshold},
        'dominance': {'parameters': sdc.dominance_parameters(), 'apply': sdc.rule_dominance},
        'p_percent': {'parameters': sdc.p_percent_parameters(), 'apply': sdc.rule_p_percent},
        'prior_posterior': {'parameters': sdc.prior_posterior_parameters(), 'apply': sdc.rule_prior_posterior},
        'request': {'parameters': sdc.request_parameters(), 'apply': sdc.rule_request},
        'group_disclosure': {'parameters': sdc.group_disclosure_parameters(), 'apply': sdc.rule_group_disclosure},
        'unweighted_base': {'parameters': sdc.unweighted_base_parameters(), 'apply': sdc.rule_unweighted_base},
        'zero': {'parameters': sdc.zero_parameters(), 'apply': sdc.rule_zero},
        'manual': {'parameters': sdc.manual_parameters(), 'apply': sdc.rule_manual, 'register': 'sdc_manual_cells'}
    }) -}}
{%- endmacro -%}


{#- The primary rules applied to one measure, in a fixed order: [{rule, condition, upl}]. -#}
{%- macro _primary(measure, in_force, product) -%}
    {%- set applied = [] -%}
    {%- for rule, known in sdc._rules().items() if rule in in_force -%}
        {%- set own = known.apply(measure, in_force[rule], product) -%}
        {%- set conditions = [own.condition] if own else [] -%}
        {%- set levels = [own.upl] if own else [] -%}
        {%- for count, declared in product.measures.items() if declared.kind == 'records' and count != measure -%}
            {%- set of_count = known.apply(count, in_force[rule], product) -%}
            {%- if of_count and of_count.of_count -%}
                {%- do conditions.append(measure ~ '_contributors > 0 and (' ~ of_count.condition ~ ')') -%}
                {%- do levels.append(of_count.upl) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if conditions -%}
            {%- do applied.append({
                'rule': rule,
                'condition': 'coalesce((' ~ conditions | unique | join(') or (') ~ '), true)',
                'upl': levels | first
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(applied) -}}
{%- endmacro -%}


{#-
    The rules in force that a sum of suppressed cells of a measure must pass like any cell: {rule: parameters}, as the
    engine reads them; none where protect() asks for none (`unions`).
    Source: Handbook on Statistical Disclosure Control (2nd ed.), chapter 4; python/sdc/engine/attackers/unions.py.
-#}
{%- macro _rules_of_sums(measure, in_force, product, unions) -%}
    {%- set asked = {} -%}
    {%- for rule, known in sdc._rules().items() if unions and rule in in_force -%}
        {%- set own = known.apply(measure, in_force[rule], product) -%}
        {%- if own and own.of_sums -%}{%- do asked.update({rule: own.of_sums}) -%}{%- endif -%}
    {%- endfor -%}
    {{- return(asked) -}}
{%- endmacro -%}


{#-
    The primary rules of one measure over the relation `cells`, as a query, one row a cell: the key, `rule` (the first
    that makes the cell unsafe, or NULL), `upl` and `lpl` (the largest levels of all that do, 0 where none), `lower` (what
    the attacker takes the cell to be at least beforehand), `contributor` (code of the only contributor, for attackers
    who are one) and `reliability` ('low' or NULL).

    least   what a reader takes a suppressed count to be at least: 1, because empty cells are seen to be empty, or 0
-#}
{%- macro _primary_cells(measure, product, in_force, least=1, cells='cells', key=none) -%}
{%- set key = key or product.by + ['cell_id'] -%}
{%- set primary = sdc._primary(measure, in_force, product) -%}
select
    {{ key | join(', ') }},
    case
        {%- for rule in primary %}
        when {{ rule.rule }}_is_true then '{{ rule.rule }}'
        {%- endfor %}
    end as rule,
    level as upl,
    -- no cell can be lower than what is known to be its least
    least(level, known_value - lower) as lpl,
    lower,
    contributor,
    reliability
from (
    select
        *,
        greatest(
            {%- for rule in primary %}
            case when {{ rule.rule }}_is_true then coalesce({{ rule.rule }}_level, abs(known_value)) end,
            {%- endfor %}
            0
        ) as level
    from (
        select
            {{ key | join(', ') }},
            cast({{ measure }} as double) as known_value,
            {%- for rule in primary %}
            {{ rule.condition }} as {{ rule.rule }}_is_true,
            cast({{ rule.upl }} as double) as {{ rule.rule }}_level,
            {%- endfor %}
            {{ sdc._least_value(measure, product, least) }} as lower,
            {{ sdc._insider(measure, product) }} as contributor,
            {{ sdc._reliability(measure, product, in_force) }} as reliability
        from {{ cells }}
    )
)
{%- endmacro -%}


{#- The cells of a relation with `<measure>_rule`, `<measure>_level` and `<measure>_reliability` of every measure, as a subquery. -#}
{%- macro _ruled_cells(relation, product, in_force) -%}
(
    with

    cells as (
        select
            row_number() over () as cell_id,
            *
        from {{ relation }}
    ),

    {% for measure in product.measures -%}
    {{ measure }}_primary as (
        {{ sdc._primary_cells(measure, product, in_force) | indent(8) }}
    ){{ ',' if not loop.last }}

    {% endfor -%}
    select
        cells.* exclude (cell_id)
        {%- for measure in product.measures %},
        {{ measure }}_primary.rule as {{ measure }}_rule,
        {{ measure }}_primary.upl as {{ measure }}_level,
        {{ measure }}_primary.reliability as {{ measure }}_reliability
        {%- endfor %}
    from cells
    {%- for measure in product.measures %}
    left join {{ measure }}_primary using ({{ (product.by + ['cell_id']) | join(', ') }})
    {%- endfor %}
)
{%- endmacro -%}


{#- What an attacker takes a cell to be at least, beforehand: nothing where contributions may be negative. -#}
{%- macro _least_value(measure, product, least) -%}
    {%- set declared = product.measures[measure] -%}
    {%- if declared.get('negatives') -%}
        cast('-infinity' as double)
    {%- elif sdc._is_count(declared) and least != 0 -%}
        cast(least({{ measure }}, {{ least }}) as double)
    {%- else -%}
        cast(0 as double)
    {%- endif -%}
{%- endmacro -%}


{#- The code of a cell's only contributor within its system. `cast(null as bigint)` instead leaves the outsider only. -#}
{%- macro _insider(measure, product) -%}
    {%- set sole = measure ~ '_sole_contributor' -%}
    case when {{ sole }} is not null then dense_rank() over ({{ sdc._partition(product.by) }} order by {{ sole }}) end
{%- endmacro -%}
