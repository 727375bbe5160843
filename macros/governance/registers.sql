{#-
    Registers that decide what a model compiles to, as variables of dbt_project.yml: reviewed like code, read before anything
    runs, and refused on the command line, which nobody reviews. Both name the protected model they are for; dates are
    inclusive, YYYY-MM-DD, in UTC. An entry past its date stops the build until it is renewed or removed.

    sdc_exceptions     a model may be weaker than a condition: {id, model, rule, parameter, value, approved_by, from, until,
                       reason}; `value` is the weakest that was approved
    sdc_manual_cells   cells to suppress (macros/rules/manual.sql): {id, model, cell: {dimension: code}, reason, owner, until}
                       and, where wanted, measure and level
-#}
{%- macro _register(name, keys, optional=[]) -%}
    {%- do sdc._require(name not in (invocation_args_dict.get('vars') or {}), 'protect', name,
        'a register in dbt_project.yml, where it is reviewed', 'a variable on the command line') -%}
    {%- set entries = var(name, []) -%}
    {%- do sdc._require(entries is sequence and entries is not string and entries is not mapping, 'protect', name,
        'a list of entries with the keys ' ~ keys | join(', '), entries) -%}
    {%- set ids = [] -%}
    {%- for entry in entries -%}
        {%- set where = name ~ ' ' ~ entry.get('id', 'number ' ~ loop.index) if entry is mapping else name -%}
        {%- do sdc._require(entry is mapping, 'protect', name, 'a list of entries with the keys ' ~ keys | join(', '), entry) -%}
        {%- for key in keys -%}
            {%- do sdc._require(entry.get(key) is not none and entry[key] | string | trim, 'protect', where,
                'complete: ' ~ keys | join(', '), 'no ' ~ key) -%}
        {%- endfor -%}
        {%- for key in entry -%}
            {%- do sdc._require(key in keys + optional, 'protect', where, 'made of the keys ' ~ (keys + optional) | join(', '), key) -%}
        {%- endfor -%}
        {%- for key in ['from', 'until'] if key in keys -%}
            {%- do sdc._require(modules.re.match('^\\d{4}-\\d{2}-\\d{2}$', entry[key] | string) is not none, 'protect',
                where ~ ': ' ~ key, 'a date, YYYY-MM-DD', entry[key]) -%}
        {%- endfor -%}
        {%- do sdc._require(entry.id not in ids, 'protect', where ~ ': id', 'unlike every other', entry.id) -%}
        {%- do ids.append(entry.id) -%}
    {%- endfor -%}
    {{- return(entries) -}}
{%- endmacro -%}


{#- The register of exceptions, checked. -#}
{%- macro _exceptions() -%}
    {%- set known = sdc._rules() -%}
    {%- set entries = sdc._register('sdc_exceptions',
        ['id', 'model', 'rule', 'parameter', 'value', 'approved_by', 'from', 'until', 'reason']) -%}
    {%- for entry in entries -%}
        {%- set where = 'sdc_exceptions ' ~ entry.id -%}
        {%- do sdc._require(entry.rule in known, 'protect', where ~ ': rule', 'one of ' ~ known.keys() | join(', '), entry.rule) -%}
        {%- set parameters = known[entry.rule].parameters -%}
        {%- do sdc._require(entry.parameter in parameters, 'protect', where ~ ': parameter',
            'one of ' ~ parameters.keys() | join(', '), entry.parameter) -%}
        {%- do sdc._require(sdc._is_value(entry.value, parameters[entry.parameter]), 'protect', where ~ ': value',
            parameters[entry.parameter].wanted, entry.value) -%}
    {%- endfor -%}
    {{- return(entries) -}}
{%- endmacro -%}


{#-
    The exception in force for a parameter of a model: {entry} or, without one, {because}: why not, for the message.
    Raises a compiler error for one past its date.
-#}
{%- macro _exception(name, rule, parameter) -%}
    {%- set because = [] -%}
    {%- for entry in sdc._exceptions() if [entry.model, entry.rule, entry.parameter] == [name, rule, parameter] -%}
        {%- if entry['from'] | string > sdc._today() -%}
            {%- do because.append('; exception ' ~ entry.id ~ ' begins on ' ~ entry['from']) -%}
        {%- elif entry.until | string < sdc._today() -%}
            {%- do because.append('; exception ' ~ entry.id ~ ' expired on ' ~ entry.until) -%}
        {%- else -%}
            {{- return({'entry': entry, 'because': '; exception ' ~ entry.id ~ ' does not go so far'}) -}}
        {%- endif -%}
    {%- endfor -%}
    {{- return({'because': because | join}) -}}
{%- endmacro -%}


{#- What the register of manual cells asks of a protected model, as conditions: {} or {'manual': {'cells': [entry]}}. -#}
{%- macro _manual_cells(node) -%}
    {%- set entries = [] -%}
    {%- for entry in sdc._register('sdc_manual_cells', ['id', 'model', 'cell', 'reason', 'owner', 'until'], ['measure', 'level'])
            if entry.model == node.name -%}
        {%- set where = 'sdc_manual_cells ' ~ entry.id -%}
        {%- do sdc._require(entry.cell is mapping, 'protect', where ~ ': cell',
            'a mapping of dimensions to codes, such as {"area": "N1"}', entry.cell) -%}
        {%- do sdc._require(entry.get('level', 0) is number and entry.get('level', 0) >= 0, 'protect', where ~ ': level',
            'a number of units of the measure, 0 or more', entry.level) -%}
        {%- do sdc._require(entry.until | string >= sdc._today(), 'protect', where ~ ': until',
            'today or later; renew the entry or remove it', entry.until) -%}
        {%- do entries.append(entry) -%}
    {%- endfor -%}
    {{- return({'manual': {'cells': entries}} if entries else {}) -}}
{%- endmacro -%}


{#- The date of the run, in UTC, as text. -#}
{%- macro _today() -%}
    {{- return(run_started_at.strftime('%Y-%m-%d')) -}}
{%- endmacro -%}


{#-
    Sentences about the registers that only the whole project shows, for check_project: entries for models that are not
    protected models, exceptions past their date.
-#}
{%- macro _register_problems() -%}
    {%- set problems = [] -%}
    {%- set protected = [] -%}
    {%- for node in graph.nodes.values() if (node.config.meta or {}).get('sdc_role') == 'protected' -%}
        {%- do protected.append(node.name) -%}
    {%- endfor -%}
    {%- for name, entries in [('sdc_exceptions', sdc._exceptions()), ('sdc_manual_cells', var('sdc_manual_cells', []))] -%}
        {%- for entry in entries -%}
            {%- if entry.model not in protected -%}
                {%- do problems.append(name ~ ' ' ~ entry.id ~ ' is for ' ~ entry.model
                    ~ ', which is not a protected model; there are ' ~ protected | join(', ')) -%}
            {%- elif entry.until | string < sdc._today() -%}
                {%- do problems.append(name ~ ' ' ~ entry.id ~ ' for ' ~ entry.model ~ ' expired on ' ~ entry.until
                    ~ '; renew it or remove it') -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(problems) -}}
{%- endmacro -%}
