-- error_sentence takes out what differs from letter to letter, and nothing that is the same in all of them: the bounds of the
-- contract ("at most 64 characters", "the text 1.0", "more than 1000000" bytes) were taken for values and shown as N. The reason
-- that a person gave for a retraction is shown as it was given.
alter table ops.dead_letters alter column error_sentence set expression as (
    case
        when error_class = 'retracted' then left(error, 2000)
        else regexp_replace(
            regexp_replace(regexp_replace(left(error, 2000), '''[^'']*''', '''...''', 'g'), '"[^"]*"', '"..."', 'g'),
            '(?<!\w|\w-|(at most|at least|more than|the text) |at least -|the text \d+\.)[0-9]+\y', 'N', 'g'
        )
    end
);
