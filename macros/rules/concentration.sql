{#-
    What the rules about magnitudes look at: one target, and what a coalition of attackers in the cell knows.

    The target is the largest contributor that has not waived its protection; the attackers are the largest others, whether
    or not they waived theirs. Amounts are absolute: with negative contributions the size of a cell is the sum of absolute
    contributions. For weighted measures the size is weighted, the amounts of the largest are their own, unweighted ones.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), sensitivity rules; waivers and negative values there.

    Returns SQL {target, others, size}; each is NULL, and the cell unsafe, where the largest contributions are not known:
    fewer listed than there are (cells() lists five), or one without an amount. A target beyond the five listed is taken to
    be as large as the fifth; where all have waived, there is none, and both amounts are 0.
-#}
{%- macro _concentration(measure, attackers) -%}
    {%- set largest = measure ~ '_largest' -%}
    {%- set contributors = measure ~ '_contributors' -%}
    {%- set target_at = 'coalesce(list_position(list_transform(' ~ largest
        ~ ', lambda one: coalesce(one.waived, false)), false), 0)' -%}
    {%- set nobody = target_at ~ ' = 0 and len(' ~ largest ~ ') >= ' ~ contributors -%}
    {%- set are_known = 'len(list_filter(' ~ largest ~ ', lambda one: one.amount is not null)) >= least('
        ~ contributors ~ ', 5)' -%}
    {{- return({
        'size': measure ~ '_absolute',
        'target': 'case when ' ~ target_at ~ ' > 0 then abs((' ~ largest ~ '[' ~ target_at ~ ']).amount) '
            ~ 'when ' ~ nobody ~ ' then 0 '
            ~ 'else abs((' ~ largest ~ '[-1]).amount) end',
        'others': 'case when ' ~ nobody ~ ' then 0 when ' ~ are_known ~ ' then coalesce(list_sum(list_transform(list_slice(list_concat('
            ~ 'list_slice(' ~ largest ~ ', 1, ' ~ target_at ~ ' - 1), list_slice(' ~ largest ~ ', ' ~ target_at ~ ' + 1, 5)), 1, '
            ~ attackers ~ '), lambda one: abs(one.amount))), 0) end'
            if attackers > 0 else 'case when ' ~ are_known ~ ' then 0 end'
    }) -}}
{%- endmacro -%}


{#- Is the measure a magnitude, about which the rules of concentration speak? Counts have contributors, no contributions. -#}
{%- macro _is_magnitude(declared) -%}
    {{- return('sum' in declared.kind) -}}
{%- endmacro -%}
