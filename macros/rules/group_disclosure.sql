{#-
    Group disclosure: who belongs to a group is known, and the table tells what they are, because all of them (100 percent)
    or all but a few fall in one category. A cell is unsafe when it holds at least `share` percent of its group, or all but
    `all_but` of it; the group is the same cell with the attribute at its total. One left over counts, because the one knows
    all the others. Where everybody in the product has the category, it tells nothing of a group and is safe.

    The other categories of such a group, its 0 percent cells, are empty and shown as such; hiding the full cell, the engine
    hides the group's total with it, so that nothing is left that says "all".

    `attributes` names the dimensions that describe people; default: all. Looks at contributors; counts only.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), group disclosure in frequency tables.
-#}
{%- macro rule_group_disclosure(measure, asked, product) -%}
    {%- if product.measures[measure].kind not in ['records', 'count'] -%}{{- return(none) -}}{%- endif -%}
    {%- set count = measure ~ '_contributors' -%}
    {%- set full = [] -%}
    {%- for name in asked.attributes or product.dimensions -%}
        {%- do sdc._require(name in product.dimensions, 'protect', 'group_disclosure: attributes',
            'dimensions of the product: ' ~ product.dimensions | join(', '), name) -%}
        {%- set others = product.dimensions | reject('equalto', name) | list -%}
        {%- set is_total = sdc._at_total(product, [name]) -%}
        {%- set group = 'max(case when ' ~ is_total ~ ' then ' ~ count ~ ' end) over (partition by '
            ~ (product.by + others + ['true']) | join(', ') ~ ')' -%}
        {%- set everywhere = 'max(case when ' ~ sdc._at_total(product, others) ~ ' then ' ~ count
            ~ ' end) over (partition by ' ~ (product.by + [name]) | join(', ') ~ ')' -%}
        {%- set everybody = 'max(case when ' ~ sdc._at_total(product, product.dimensions) ~ ' then ' ~ count
            ~ ' end) over (partition by ' ~ (product.by + ['true']) | join(', ') ~ ')' -%}
        {%- do full.append('not (' ~ is_total ~ ') and ' ~ everywhere ~ ' < ' ~ everybody
            ~ ' and (100 * ' ~ count ~ ' >= ' ~ asked.share ~ ' * ' ~ group ~ ' or ' ~ count ~ ' >= ' ~ group ~ ' - '
            ~ asked.all_but ~ ')') -%}
    {%- endfor -%}
    {{- return({
        'condition': count ~ ' > 0 and ((' ~ full | join(') or (') ~ '))',
        'upl': '0',
        'of_count': true
    }) -}}
{%- endmacro -%}


{%- macro group_disclosure_parameters() -%}
    {{- return({
        'share': sdc._percentage('smaller', 'the group', default=100),
        'all_but': sdc._parameter('larger', 'a whole number of contributors, 0 or more', whole=true, default=1),
        'attributes': sdc._parameter('all', 'a list of dimensions', default=[])
    }) -}}
{%- endmacro -%}


{#- The condition that these dimensions are at their totals. -#}
{%- macro _at_total(product, names) -%}
    {%- set conditions = ['true'] if not names else [] -%}
    {%- for name in names -%}
        {%- do conditions.append(name ~ " = '" ~ product.totals[name] | replace("'", "''") ~ "'") -%}
    {%- endfor -%}
    {{- return(conditions | join(' and ')) -}}
{%- endmacro -%}
