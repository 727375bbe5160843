{#-
    The conditions of a protected model and where they come from: the strictest of the policy's floor, the rule set, the
    agreement of every source and seed upstream (`sdc_conditions` in their meta, with the agreement's id in
    `sdc_agreement`), the special categories these hold (`sdc_special_categories`), the register of manual cells, and the
    model's own `rules`. Several conditions on one parameter: the stricter counts (macros/rules/parameter.sql). A model may
    tighten and never loosen, unless an exception registered for it is in force.

    Returns [{rule, parameter, value, origin, is_own}], in this order. Raises a compiler error that names model, origin and
    key for an unknown rule set, rule or parameter and for a value that the parameter cannot have. Agreements are read
    from the graph, so only when executing.
-#}
{%- macro _conditions(node, rule_set, rules) -%}
    {%- set sets = sdc._rule_sets() -%}
    {%- do sdc._require(rule_set in sets, 'protect', 'rule_set',
        'one of the rule sets in the variable sdc_rule_sets: ' ~ sets.keys() | join(', '), rule_set) -%}
    {%- do sdc._require(rules is mapping, 'protect', 'rules', 'a mapping of rules to parameters, such as {"threshold": 10}',
        rules) -%}
    {%- set origins = [('policy floor', sdc._policy_floor()), ('rule set ' ~ rule_set, sets[rule_set])]
        + sdc._agreements(node) + [('sdc_manual_cells', sdc._manual_cells(node))] -%}
    {%- set conditions = [] -%}
    {%- for origin, asked in origins + [('rules', rules)] -%}
        {%- for rule, parameters in sdc._asked(origin, asked).items() -%}
            {%- for parameter, declared in sdc._rules()[rule].parameters.items() -%}
                {%- set value = parameters.get(parameter, declared.default if origin != 'rules') -%}
                {%- if value is not none and value is defined -%}
                    {%- do conditions.append({'rule': rule, 'parameter': parameter, 'value': value, 'origin': origin,
                        'is_own': origin == 'rules'}) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(conditions) -}}
{%- endmacro -%}


{#-
    The rules in force for a protected model, {rule: {parameter: value}}, with every parameter of each rule (default where
    nobody names it). Raises a compiler error for a model that asks for less than the others do, without an exception in
    force, and for a rule without a parameter it needs.
-#}
{%- macro _rules_in_force(node, rule_set, rules) -%}
    {%- set known = sdc._rules() -%}
    {%- set in_force = {} -%}
    {%- set strictest_of = {} -%}
    {%- for asked in sdc._conditions(node, rule_set, rules) -%}
        {%- set parameter = known[asked.rule].parameters[asked.parameter] -%}
        {%- set values = in_force.setdefault(asked.rule, {}) -%}
        {%- set key = asked.rule ~ '.' ~ asked.parameter -%}
        {%- set others = values.get(asked.parameter) -%}
        {%- set strictest = asked.value if others is none else sdc._stricter(parameter, others, asked.value) -%}
        {%- if asked.is_own and others is not none and parameter.stricter != 'all' and strictest != asked.value -%}
            {%- set exception = sdc._exception(node.name, asked.rule, asked.parameter) -%}
            {%- set allowed = exception.entry is defined
                and sdc._stricter(parameter, exception.entry.value, asked.value) == asked.value -%}
            {%- if not allowed -%}
                {%- do exceptions.raise_compiler_error(
                    'sdc.protect in ' ~ node.name ~ ': `rules` asks for ' ~ asked.rule ~ ' (' ~ asked.parameter ~ ') '
                    ~ asked.value ~ ', which is weaker than the ' ~ others ~ ' of ' ~ strictest_of[key]
                    ~ '. A model may tighten a rule, never loosen it, unless an exception registered for it in '
                    ~ 'sdc_exceptions is in force' ~ exception.because) -%}
            {%- endif -%}
            {%- set strictest = asked.value -%}
        {%- endif -%}
        {%- if strictest != others -%}{%- do strictest_of.update({key: asked.origin}) -%}{%- endif -%}
        {%- do values.update({asked.parameter: strictest}) -%}
    {%- endfor -%}
    {%- for rule, values in in_force.items() -%}
        {%- for name, parameter in known[rule].parameters.items() if name not in values -%}
            {%- do sdc._require(not parameter.required, 'protect', rule,
                'given its parameter ' ~ name ~ ' (' ~ parameter.wanted ~ ') by the rule set or by `rules`', values.keys() | join(', ')) -%}
            {%- do values.update({name: parameter.default}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(in_force) -}}
{%- endmacro -%}


{#- The rules in force for a protected model as it was declared; for the gate, the tests and the analyses. -#}
{%- macro _rules_of(protected) -%}
    {%- set source = sdc._rules_source(protected) -%}
    {%- set meta = source.config.meta -%}
    {{- return(sdc._rules_in_force(source, meta.get('sdc_rule_set'), meta.get('sdc_rules', {}))) -}}
{%- endmacro -%}


{#-
    The rule sets: the variable sdc_rule_sets, and over it those in the environment's SDC_RULE_SETS (JSON of the same form),
    for real parameters that must not stand in a repository.
-#}
{%- macro _rule_sets() -%}
    {%- set sets = dict(var('sdc_rule_sets', {})) -%}
    {%- set real = env_var('SDC_RULE_SETS', '') -%}
    {%- if real -%}
        {%- set read = fromjson(real, none) -%}
        {%- do sdc._require(read is mapping, 'protect', 'SDC_RULE_SETS',
            'JSON such as {"business_survey": {"threshold": 3}}', 'something else') -%}
        {%- do sets.update(read) -%}
    {%- endif -%}
    {{- return(sets) -}}
{%- endmacro -%}


{#- The conditions of the sources, seeds and models upstream of a node: [(origin, {rule: parameters})], in order of their ids. -#}
{%- macro _agreements(node) -%}
    {%- set found = {} -%}
    {%- if execute -%}
        {%- set queue = (node.depends_on.nodes if node.depends_on else []) | list -%}
        {%- set seen = [] -%}
        {%- for step in range(100000) if queue -%}
            {%- set id = queue.pop() -%}
            {%- set upstream = graph.nodes.get(id) or graph.sources.get(id) if graph.nodes is defined else none -%}
            {%- if id not in seen and upstream -%}
                {%- do seen.append(id) -%}
                {%- do queue.extend(upstream.depends_on.nodes if upstream.depends_on else []) -%}
                {%- set named = upstream.source_name ~ '.' ~ upstream.name if upstream.source_name else upstream.name -%}
                {%- for meta in [upstream.source_meta or {}, upstream.meta or {}, upstream.config.meta or {}] -%}
                    {%- set agreement = 'agreement ' ~ meta.sdc_agreement ~ ' (' ~ named ~ ')' if meta.sdc_agreement else named -%}
                    {%- for origin, conditions in [
                        (agreement, meta.get('sdc_conditions', {})),
                        ('special categories (' ~ named ~ ')',
                            sdc._of_special_categories(named, meta.get('sdc_special_categories', [])))
                    ] if conditions != {} -%}
                        {%- do found.update({(origin, tojson(conditions, sort_keys=true)): (origin, conditions)}) -%}
                    {%- endfor -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(found.values() | sort(attribute='0') | list) -}}
{%- endmacro -%}


{#-
    What somebody asks for, checked: {rule: {parameter: value}}. A bare value stands for the rule's first parameter, `true` for
    its defaults.
-#}
{%- macro _asked(origin, asked) -%}
    {%- set known = sdc._rules() -%}
    {%- do sdc._require(asked is mapping, 'protect', origin, 'a mapping of rules to parameters, such as {"threshold": 10}',
        asked) -%}
    {%- set checked = {} -%}
    {%- for rule, given in asked.items() -%}
        {%- do sdc._require(rule in known, 'protect', origin, 'made of the rules ' ~ known.keys() | join(', '), rule) -%}
        {%- do sdc._require(known[rule].get('register', origin) == origin, 'protect', origin,
            'made of rules that are asked for; the entries of ' ~ rule ~ ' are in the register ' ~ known[rule].register, rule) -%}
        {%- set parameters = known[rule].parameters -%}
        {%- set values = {} if given is sameas true else given if given is mapping else {parameters.keys() | first: given} -%}
        {%- for name, value in values.items() -%}
            {%- do sdc._require(name in parameters, 'protect', origin ~ ': ' ~ rule,
                'made of the parameters ' ~ parameters.keys() | join(', '), name) -%}
            {%- do sdc._require(sdc._is_value(value, parameters[name]), 'protect',
                origin ~ ': ' ~ rule ~ (': ' ~ name if given is mapping else ''), parameters[name].wanted, value) -%}
        {%- endfor -%}
        {%- set needed = [] -%}
        {%- for name, parameter in parameters.items() -%}
            {%- if parameter.required or parameter.default is not none -%}{%- do needed.append(name) -%}{%- endif -%}
        {%- endfor -%}
        {%- do sdc._require(values or needed, 'protect', origin ~ ': ' ~ rule,
            'given at least one of its parameters ' ~ parameters.keys() | join(', '), given) -%}
        {%- do checked.update({rule: values}) -%}
    {%- endfor -%}
    {{- return(checked) -}}
{%- endmacro -%}
