{#-
    Cells listed by hand: the register `sdc_manual_cells` (a variable; see macros/governance/registers.sql) names cells that
    are suppressed whatever the other rules say, with reason, owner and expiry. A dimension that an entry leaves out stands
    for its total, a `by` column it leaves out for all its values; without `measure` it is about every measure. Required
    protection: the entry's `level`, in units of the measure; default 0.
    Source: a-priori files of tau-Argus.
-#}
{%- macro rule_manual(measure, asked, product) -%}
    {%- set cells = [] -%}
    {%- set levels = ['0'] -%}
    {%- for entry in asked.cells if entry.get('measure') in [none, measure] -%}
        {%- set is_cell = sdc._is_cell(entry, product) -%}
        {%- do cells.append(is_cell) -%}
        {%- do levels.append('case when ' ~ is_cell ~ ' then ' ~ entry.get('level', 0) ~ ' end') -%}
    {%- endfor -%}
    {%- if not cells -%}{{- return(none) -}}{%- endif -%}
    {{- return({
        'condition': cells | join(' or '),
        'upl': 'greatest(' ~ levels | join(', ') ~ ')'
    }) -}}
{%- endmacro -%}


{#- Not for rule sets: the entries come from the register. -#}
{%- macro manual_parameters() -%}
    {{- return({'cells': sdc._parameter('all', 'entries of the register sdc_manual_cells', default=[])}) -}}
{%- endmacro -%}


{#- The condition that a row is the cell an entry of the register names. -#}
{%- macro _is_cell(entry, product) -%}
    {%- set codes = dict(product.totals, **entry.cell) -%}
    {%- set conditions = [] -%}
    {%- for name, code in codes.items() -%}
        {%- do sdc._require(name in product.dimensions + product.by, 'protect', 'sdc_manual_cells ' ~ entry.id ~ ': cell',
            'made of the dimensions ' ~ (product.by + product.dimensions) | join(', '), name) -%}
        {%- do conditions.append(name ~ " = '" ~ code | string | replace("'", "''") ~ "'") -%}
    {%- endfor -%}
    {{- return('(' ~ conditions | join(' and ') ~ ')') -}}
{%- endmacro -%}
