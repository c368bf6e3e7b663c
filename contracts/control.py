"""What the driver can ask of a task server beside tasks. Asked like a task: a method, on a topic, answered there.

Messages of one topic come back in the order in which they were answered, so whoever receives an answer has received
every result of that topic that was sent before it.
"""

ROLL_CALL = 'roll_call'
"""One argument, a tuple of task ids. The value is a tuple of those that the task server has taken and not answered;
``task_info`` comes back as it was."""

CANCEL = 'cancel'
"""One argument, a tuple of task ids. Those that have not begun are answered as failed, of kind ``cancelled``; then the
request itself is answered with the tuple of their ids. What has begun goes on."""

CONTROLS = (ROLL_CALL, CANCEL)
